//! The JSON form of a sink: complete, with its secrets.
//!
//! It is read by hand: the messages of a derived reader repeat values, which may be secret, and report one
//! mistake at a time.

mod declared;

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::parts::{Method, SinkParts};
use super::{SecretPairs, SinkKind, SinkSpec, SinkSpecError, Upload, UploadMethod, ZipTarget, url};
use crate::{Escaped, OutputPath, RelativePath, suggest};

const KEYS: [&str; 9] = [
    "url",
    "file",
    "method",
    "fields",
    "headers",
    "status_url",
    "files",
    "system_output",
    "except",
];

/// Reads a text that begins with `{`.
pub(super) fn read(text: &str) -> Result<SinkSpec, SinkSpecError> {
    let value: Value = serde_json::from_str(text).map_err(|error| {
        SinkSpecError::new(format!(
            "not JSON: {error}; a directory whose name begins with `{{` is written as `./{{…`"
        ))
    })?;
    from_value(value)
}

fn from_value(value: Value) -> Result<SinkSpec, SinkSpecError> {
    match value {
        Value::String(text) => text.parse(),
        Value::Object(mut object) => {
            let mut problems = unknown_keys(&object);
            if let Some(url) = object.remove("status_url") {
                return status_url(&url, &object, problems);
            }
            if declared::is_declared(&object) {
                return declared::read(object, problems);
            }
            let parts = parts(object, &mut problems);
            let checked =
                parts.map_or_else(|| Err(SinkSpecError { problems: Vec::new() }), SinkParts::check);
            match checked {
                Ok(spec) if problems.is_empty() => Ok(spec),
                Ok(_) => Err(SinkSpecError { problems }),
                Err(error) => {
                    problems.extend(error.problems);
                    Err(SinkSpecError { problems })
                }
            }
        }
        _ => Err(SinkSpecError::new("a place for outputs is a text or an object with `url`")),
    }
}

fn unknown_keys(object: &Map<String, Value>) -> Vec<String> {
    let unknown = object.keys().filter(|key| !KEYS.contains(&key.as_str()));
    let problem = |key: &String| {
        let hint = suggest::nearest(key, KEYS).map_or_else(
            || format!("there are `{}`", KEYS.join("`, `")),
            |known| format!("did you mean `{known}`?"),
        );
        format!("unknown key `{}`, {hint}", Escaped(key))
    };
    unknown.map(problem).collect()
}

fn status_url(
    url: &Value,
    others: &Map<String, Value>,
    mut problems: Vec<String>,
) -> Result<SinkSpec, SinkSpecError> {
    if others.keys().any(|key| KEYS.contains(&key.as_str())) {
        problems.push("`status_url` stands alone: the platform says where the files go".into());
    }
    let Some(url) = url.as_str() else {
        problems.push("`status_url` is a text".into());
        return Err(SinkSpecError { problems });
    };
    match SinkSpec::status_url(url) {
        Ok(spec) if problems.is_empty() => Ok(spec),
        Ok(_) => Err(SinkSpecError { problems }),
        Err(error) => {
            problems.extend(error.problems);
            Err(SinkSpecError { problems })
        }
    }
}

/// `None` when there is no URL to go on with.
fn parts(mut object: Map<String, Value>, problems: &mut Vec<String>) -> Option<SinkParts> {
    let file = object.remove("file").and_then(|value| file(value, problems));
    let method = object.remove("method").and_then(|value| method(&value, problems));
    let fields = object.remove("fields").and_then(|value| pairs("fields", value, problems));
    let headers = object.remove("headers").and_then(|value| pairs("headers", value, problems));
    let Some(Value::String(url)) = object.remove("url") else {
        problems.push("`url` is missing or not a text: it says where the files go".into());
        return None;
    };
    Some(SinkParts { url, file, method, fields, headers })
}

fn file(value: Value, problems: &mut Vec<String>) -> Option<OutputPath> {
    let read = match value {
        Value::String(text) => OutputPath::new(text).map_err(|error| error.to_string()),
        // A path that is not text, in its own JSON form.
        object @ Value::Object(_) => {
            serde_json::from_value(object).map_err(|_| "it has no `path`".into())
        }
        _ => Err("it is not a text".into()),
    };
    read.map_err(|problem: String| problems.push(format!("`file`: {problem}"))).ok()
}

fn method(value: &Value, problems: &mut Vec<String>) -> Option<Method> {
    match value.as_str() {
        Some("PUT") => Some(Method::Put),
        Some("POST") => Some(Method::Post),
        _ => {
            problems.push("`method` is \"PUT\" or \"POST\"".into());
            None
        }
    }
}

fn pairs(key: &str, value: Value, problems: &mut Vec<String>) -> Option<Vec<(String, String)>> {
    let Value::Object(object) = value else {
        problems.push(format!("`{key}` is an object of texts"));
        return None;
    };
    let mut pairs = Vec::with_capacity(object.len());
    for (name, value) in object {
        if let Value::String(value) = value {
            pairs.push((name, value));
        } else {
            problems.push(format!("`{key}.{}` is not a text", Escaped(&name)));
        }
    }
    Some(pairs)
}

impl<'de> Deserialize<'de> for SinkSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from_value(Value::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// With all secrets: for private files only.
impl Serialize for SinkSpec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        let file_url = |path: &std::path::Path| {
            let path = url::encode(path.as_os_str().as_encoded_bytes());
            // Two slashes at the beginning would be read as those in front of a host.
            let before = if path.starts_with("//") { "file://" } else { "file:" };
            format!("{before}{path}")
        };
        match self.kind() {
            SinkKind::Directory(path) => map.serialize_entry("url", &file_url(path))?,
            SinkKind::ObjectStore(url) => map.serialize_entry("url", url.as_str())?,
            SinkKind::File { file, to } => {
                map.serialize_entry("url", to.url().reveal())?;
                match file.as_str() {
                    Some(text) => map.serialize_entry("file", text)?,
                    None => map.serialize_entry("file", file)?,
                }
                upload(&mut map, to)?;
            }
            SinkKind::Zip(ZipTarget::File(path)) => {
                map.serialize_entry("url", &format!("zip+{}", file_url(path)))?;
            }
            SinkKind::Zip(ZipTarget::ObjectStore(url)) => {
                map.serialize_entry("url", &format!("zip+{url}"))?;
            }
            SinkKind::Zip(ZipTarget::Upload(to)) => {
                map.serialize_entry("url", &format!("zip+{}", to.url().reveal()))?;
                upload(&mut map, to)?;
            }
            SinkKind::StatusUrl(url) => map.serialize_entry("status_url", url.reveal())?,
            SinkKind::Files(files) => map.serialize_entry("files", &declared::Files(files))?,
            SinkKind::SystemOutput { to, except } => {
                map.serialize_entry("system_output", &declared::To { file: None, to })?;
                let except: Vec<&str> = except.iter().map(RelativePath::as_str).collect();
                map.serialize_entry("except", &except)?;
            }
        }
        map.end()
    }
}

fn upload<M: SerializeMap>(map: &mut M, to: &Upload) -> Result<(), M::Error> {
    if let UploadMethod::Post { fields } = to.method() {
        map.serialize_entry("method", "POST")?;
        map.serialize_entry("fields", &Pairs(fields))?;
    }
    if !to.headers().reveal().is_empty() {
        map.serialize_entry("headers", &Pairs(to.headers()))?;
    }
    Ok(())
}

struct Pairs<'a>(&'a SecretPairs);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.reveal().iter().map(|(name, value)| (name, value)))
    }
}
