//! The JSON form of what a spec declares as output volumes.
//!
//! ```json
//! {"files": [{"file": "a/b", "url": "https://…", "method": "POST", "fields": {}, "headers": {}}]}
//! {"system_output": {"url": "https://…"}, "except": ["a/b"]}
//! ```

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::super::parts;
use super::{KEYS, method, pairs, unknown_keys};
use crate::{Escaped, HttpUrl, RelativePath, SinkSpec, SinkSpecError, Upload};

/// Whether an object has one of the keys that only these have.
pub(super) fn is_declared(object: &Map<String, Value>) -> bool {
    ["files", "system_output", "except"].iter().any(|key| object.contains_key(*key))
}

pub(super) fn read(
    mut object: Map<String, Value>,
    mut problems: Vec<String>,
) -> Result<SinkSpec, SinkSpecError> {
    let (files, to) = (object.remove("files"), object.remove("system_output"));
    let except = object.remove("except");
    if object.keys().any(|key| KEYS.contains(&key.as_str())) {
        problems.push("`files` and `system_output` stand alone".into());
    }
    let spec = match (files, to) {
        (Some(files), None) => {
            if except.is_some() {
                problems.push("`except` goes with `system_output` only".into());
            }
            Some(SinkSpec::files(read_files(files, &mut problems)))
        }
        (None, Some(to)) => {
            let except = except.map_or_else(Vec::new, |list| read_except(list, &mut problems));
            read_to("system_output", to, &mut problems)
                .map(|to| SinkSpec::system_output(to, except))
        }
        _ => {
            problems.push("give one of `files` and `system_output`".into());
            None
        }
    };
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        _ => Err(SinkSpecError { problems }),
    }
}

fn read_files(value: Value, problems: &mut Vec<String>) -> Vec<(RelativePath, Upload)> {
    let Value::Array(list) = value else {
        problems.push("`files` is a list of objects".into());
        return Vec::new();
    };
    let mut files = Vec::with_capacity(list.len());
    for (at, mut value) in list.into_iter().enumerate() {
        let place = format!("files[{at}]");
        let file = value.as_object_mut().and_then(|object| object.remove("file"));
        let path = read_path(&format!("{place}.file"), file.as_ref(), problems);
        files.extend(path.zip(read_to(&place, value, problems)));
    }
    files
}

fn read_except(value: Value, problems: &mut Vec<String>) -> Vec<RelativePath> {
    let Value::Array(list) = value else {
        problems.push("`except` is a list of paths".into());
        return Vec::new();
    };
    let paths = list.iter().enumerate();
    paths
        .filter_map(|(at, path)| read_path(&format!("except[{at}]"), Some(path), problems))
        .collect()
}

fn read_path(
    place: &str,
    value: Option<&Value>,
    problems: &mut Vec<String>,
) -> Option<RelativePath> {
    let Some(text) = value.and_then(Value::as_str) else {
        problems.push(format!("`{place}` is missing or not a text"));
        return None;
    };
    RelativePath::new(text).map_err(|error| problems.push(format!("`{place}`: {error}"))).ok()
}

/// Where one file goes. `place` is the name of the object in messages.
fn read_to(place: &str, value: Value, problems: &mut Vec<String>) -> Option<Upload> {
    let mut found = Vec::new();
    let to = if let Value::Object(object) = value {
        read_upload(object, &mut found)
    } else {
        found.push("not an object with `url`".into());
        None
    };
    problems.extend(found.into_iter().map(|problem: String| format!("`{place}`: {problem}")));
    to
}

fn read_upload(mut object: Map<String, Value>, problems: &mut Vec<String>) -> Option<Upload> {
    problems.extend(unknown_keys(&object));
    if let Some(other) = ["file", "status_url"].iter().find(|key| object.contains_key(**key)) {
        problems.push(format!("`{}` has no place here", Escaped(other)));
    }
    let method = object.remove("method").and_then(|value| method(&value, problems));
    let fields = object.remove("fields").and_then(|value| pairs("fields", value, problems));
    let headers = object.remove("headers").and_then(|value| pairs("headers", value, problems));
    let Some(Value::String(url)) = object.remove("url") else {
        problems.push("`url` is missing or not a text".into());
        return None;
    };
    let url = HttpUrl::new(&url).map_err(|error| problems.extend(error.problems)).ok()?;
    parts::upload(url, method, fields, headers.unwrap_or_default(), problems)
}

/// The list of files, with all secrets.
pub(super) struct Files<'a>(pub(super) &'a [(RelativePath, Upload)]);

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.iter().map(|(file, to)| To { file: Some(file), to }))
    }
}

/// Where one file goes, with all secrets.
pub(super) struct To<'a> {
    pub(super) file: Option<&'a RelativePath>,
    pub(super) to: &'a Upload,
}

impl Serialize for To<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        if let Some(file) = self.file {
            map.serialize_entry("file", file.as_str())?;
        }
        map.serialize_entry("url", self.to.url().reveal())?;
        super::upload(&mut map, self.to)?;
        map.end()
    }
}
