//! The data of a run: from JSON to the type that the job takes.

use chutes_core::{Json, suggest};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::field_path::{self, at};

/// Why data does not fit a job.
///
/// The job is then not started, and the run is `rejected` with the message.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use chutes::data::Json;
/// use chutes::{EndStatus, JobContext, JobError, Registry, Run};
///
/// #[chutes::job]
/// async fn takes_a_number(_ctx: JobContext, number: u32) -> Result<u32, JobError> {
///     Ok(number)
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("takes_a_number")?.clone();
/// let outcome = Run::new(job, directory).data(Json::parse(r#""ten""#)?).execute().await?;
/// assert_eq!(outcome.status(), EndStatus::Rejected);
/// let message = outcome.ending.failure().map(|failure| failure.message.as_str());
/// assert_eq!(message, Some(r#"invalid data: invalid type: string "ten", expected u32"#));
/// # Ok(()) }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A field is missing, or has the wrong type or value.
    #[error("invalid data{}: {message}", at(path))]
    Mismatch {
        /// The path of the field, for instance `layers[2].size`; empty for the data as a whole.
        path: String,
        /// What was found and what was expected.
        message: String,
    },
    /// There are fields that the job does not know. They are refused because a misspelt setting would otherwise
    /// be ignored silently.
    #[error("unknown {} in the data: {}{}", plural(paths.len(), "field"), quoted(paths), meant(suggestion.as_deref()))]
    UnknownFields {
        /// The paths of the fields.
        paths: Vec<String>,
        /// The field that was probably meant, when the data has a schema.
        suggestion: Option<String>,
    },
    /// The job takes no data, but the run has some.
    #[error("the job takes no data")]
    NotExpected,
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { noun.to_owned() } else { format!("{noun}s") }
}

fn quoted(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map(|field| format!("; did you mean `{field}`?")).unwrap_or_default()
}

impl DataError {
    /// Suggests a field of the schema in place of the unknown field, if there is only one.
    pub(crate) fn with_suggestion_from(mut self, schema: Option<&Json>) -> Self {
        let schema: Option<Value> = schema.and_then(|schema| schema.to().ok());
        if let (Self::UnknownFields { paths, suggestion }, Some(schema)) = (&mut self, schema) {
            let known = schema["properties"].as_object().into_iter().flat_map(Map::keys);
            if let [unknown] = paths.as_slice() {
                let nearest = suggest::nearest(unknown, known.map(String::as_str));
                *suggestion = nearest.map(String::from);
            }
        }
        self
    }
}

/// Decodes data, and refuses fields that the type does not have.
///
/// Top-level keys that start with `_` belong to the platform (`_ssh_public_key`) and are removed first.
pub(crate) fn decode<T: DeserializeOwned>(json: &Json) -> Result<T, DataError> {
    let value = without_platform_keys(json)?;
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let decoded = serde_ignored::deserialize(tracked, |path| unknown.push(unknown_field(&path)));
    let decoded = decoded.map_err(|error: serde_json::Error| {
        let path = field_path::shown(&track.path());
        DataError::Mismatch { path, message: error.to_string() }
    })?;
    if unknown.is_empty() {
        Ok(decoded)
    } else {
        Err(DataError::UnknownFields { paths: unknown, suggestion: None })
    }
}

/// The path of an unknown field in the notation of other errors: `layers[2].size`.
fn unknown_field(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;

    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", unknown_field(parent)),
        Path::Map { parent, key } => {
            let parent = unknown_field(parent);
            if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") }
        }
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => unknown_field(parent),
    }
}

/// Checks that there is no data: nothing, `null`, or an empty object.
pub(crate) fn expect_none(json: &Json) -> Result<(), DataError> {
    match without_platform_keys(json)? {
        Value::Null => Ok(()),
        Value::Object(fields) if fields.is_empty() => Ok(()),
        _ => Err(DataError::NotExpected),
    }
}

fn without_platform_keys(json: &Json) -> Result<Value, DataError> {
    let value: Value = json
        .to()
        .map_err(|error| DataError::Mismatch { path: String::new(), message: error.to_string() })?;
    Ok(match value {
        Value::Object(fields) => {
            fields.into_iter().filter(|(key, _)| !key.starts_with('_')).collect()
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoding is tested")]
    struct Settings {
        epochs: u32,
        #[serde(default)]
        layers: Vec<Layer>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only decoding is tested")]
    struct Layer {
        size: u8,
    }

    #[track_caller]
    fn check(json: &str, expected: Result<(), &str>) {
        let decoded = decode::<Settings>(&Json::parse(json).unwrap());
        let found = decoded.map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(String::from), "{json}");
    }

    #[test]
    fn fields() {
        check(r#"{"epochs": 3, "layers": [{"size": 4}]}"#, Ok(()));
        check(r#"{"epochs": 3, "_ssh_public_key": "ssh-ed25519 AAAA"}"#, Ok(()));
        check("{}", Err("invalid data: missing field `epochs`"));
        check(
            r#"{"epochs": "ten"}"#,
            Err(r#"invalid data at `epochs`: invalid type: string "ten", expected u32"#),
        );
        check(
            r#"{"epochs": -1}"#,
            Err("invalid data at `epochs`: invalid value: integer `-1`, expected u32"),
        );
        check(
            r#"{"epochs": 3, "layers": [{"size": 4}, {"size": 300}]}"#,
            Err("invalid data at `layers[1].size`: invalid value: integer `300`, expected u8"),
        );
        check(r#"{"epochs": 3, "epoch": 4}"#, Err("unknown field in the data: `epoch`"));
        check(
            r#"{"epochs": 3, "layers": [{"size": 4, "a": 1, "b": 2}]}"#,
            Err("unknown fields in the data: `layers[0].a`, `layers[0].b`"),
        );
        check(
            "[]",
            Err("invalid data: invalid length 0, expected struct Settings with 2 elements"),
        );
    }

    #[test]
    fn suggestions_come_from_the_schema() {
        let schema = Json::parse(r#"{"properties": {"epochs": {}, "layers": {}}}"#).unwrap();
        for (json, expected) in [
            (r#"{"epochs": 1, "layer": []}"#, "`layer`; did you mean `layers`?"),
            (r#"{"epochs": 1, "optimizer": 1}"#, "`optimizer`"),
        ] {
            let error = decode::<Settings>(&Json::parse(json).unwrap()).unwrap_err();
            let message = error.with_suggestion_from(Some(&schema)).to_string();
            assert_eq!(message, format!("unknown field in the data: {expected}"));
        }
    }

    proptest! {
        #[test]
        fn no_json_panics(text in "[\\[\\]{}\":,a-c0-9_ ]{0,30}") {
            if let Ok(json) = Json::parse(&text) {
                let _ = decode::<Settings>(&json);
                let _ = expect_none(&json);
            }
        }
    }

    #[test]
    fn no_data() {
        for (json, expected) in [("null", true), ("{}", true), ("{\"_a\":1}", true), ("1", false)] {
            assert_eq!(expect_none(&Json::parse(json).unwrap()).is_ok(), expected, "{json}");
        }
    }
}
