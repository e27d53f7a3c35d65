//! The data of a run: from JSON to the type that the job takes.

use std::borrow::Cow;

use chutes_core::{Json, suggest};
use serde::de::DeserializeOwned;

use crate::data_schema::DataSchema;
use crate::field_path::{self, at};

/// How many fields that the schema does not have are looked at more closely.
const MOST_CHECKED: usize = 20;

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
    #[error("invalid data{}: {message}{}", at(path), besides(unknown, suggestion.as_deref()))]
    Mismatch {
        /// The path of the field, for instance `layers[2].size`; empty for the data as a whole.
        path: String,
        /// What was found and what was expected.
        message: String,
        /// The paths of fields that the job does not know: perhaps the missing one is misspelt.
        unknown: Vec<String>,
        /// The field that was probably meant by the unknown one, when the data has a schema.
        suggestion: Option<String>,
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

fn besides(unknown: &[String], suggestion: Option<&str>) -> String {
    if unknown.is_empty() {
        return String::new();
    }
    let fields = plural(unknown.len(), "field");
    format!("; besides, unknown {fields}: {}{}", quoted(unknown), meant(suggestion))
}

fn meant(suggestion: Option<&str>) -> String {
    suggestion.map(|field| format!("; did you mean `{field}`?")).unwrap_or_default()
}

impl DataError {
    /// Adds what the schema says: the field that was meant by the only unknown one, and the path of a value that the
    /// type itself could not name.
    pub(crate) fn explained_by(mut self, schema: Option<&Json>, data: &Json) -> Self {
        let Some(schema) = schema.and_then(DataSchema::new) else { return self };
        if let Self::Mismatch { path, message, .. } = &mut self
            && path.is_empty()
            && message.starts_with("invalid type")
        {
            *path = schema.misfit(data).unwrap_or_default();
        }
        if let Self::UnknownFields { paths, suggestion }
        | Self::Mismatch { unknown: paths, suggestion, .. } = &mut self
            && let [unknown] = paths.as_slice()
        {
            let path: Vec<&str> = unknown.split('.').collect();
            if let Some((name, parent)) = path.split_last() {
                let known = schema.fields(parent).unwrap_or_default();
                *suggestion = suggest::nearest(name, known).map(String::from);
            }
        }
        self
    }
}

/// Decodes data, and refuses fields that the type does not have.
///
/// Top-level keys that start with `_` belong to the platform (`_ssh_public_key`) and are removed first. Numbers reach the
/// type as they were written.
pub(crate) fn decode<T: DeserializeOwned>(json: &Json) -> Result<T, DataError> {
    let data = without_platform_keys(json)?;
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let mut text = serde_json::Deserializer::from_str(data.as_str());
    let tracked = serde_path_to_error::Deserializer::new(&mut text, &mut track);
    let decoded = serde_ignored::deserialize(tracked, |path| unknown.push(unknown_field(&path)));
    match decoded {
        Ok(decoded) if unknown.is_empty() => Ok(decoded),
        Ok(_) => Err(DataError::UnknownFields { paths: unknown, suggestion: None }),
        Err(error) => {
            let path = field_path::shown(&track.path());
            let message = without_position(&error);
            // What has no content needs no data.
            if message.starts_with("invalid type: map, expected unit")
                && *data == Json::empty_object()
                && let Ok(unit) = Json::null().to()
            {
                return Ok(unit);
            }
            Err(DataError::Mismatch { path, message, unknown, suggestion: None })
        }
    }
}

/// The data is on one line, which nobody has written so.
fn without_position(error: &serde_json::Error) -> String {
    let position = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    message.strip_suffix(&position).map_or_else(|| message.clone(), str::to_owned)
}

/// The fields that the type has passed over in silence, which serde does in a type with `flatten` or with tagged
/// variants: they are not in the schema, and what is in them makes no difference. `decodes` says whether data fits the
/// type.
pub(crate) fn passed_over(
    data: &Json,
    schema: Option<&Json>,
    decodes: impl Fn(&Json) -> bool,
) -> Result<(), DataError> {
    let Some(schema) = schema.and_then(DataSchema::new) else { return Ok(()) };
    // A name that the schema does not have may be another name of a field (`alias`), and is one if its value matters.
    let matters = |path: &[String]| {
        let values = [Json::null(), Json::empty_object()];
        values
            .into_iter()
            .any(|value| data.with_field(path, value).is_ok_and(|changed| !decodes(&changed)))
    };
    let mut paths: Vec<String> = Vec::new();
    for path in schema.unlisted(data).into_iter().take(MOST_CHECKED) {
        if !matters(&path) {
            paths.push(path.join("."));
        }
    }
    if paths.is_empty() {
        return Ok(());
    }
    Err(DataError::UnknownFields { paths, suggestion: None })
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
    let data = without_platform_keys(json)?;
    if data.is_null() || *data == Json::empty_object() {
        Ok(())
    } else {
        Err(DataError::NotExpected)
    }
}

fn without_platform_keys(json: &Json) -> Result<Cow<'_, Json>, DataError> {
    let is_ours = |(name, _): &(String, Json)| name.starts_with('_');
    let Some(mut fields) = json.fields().filter(|fields| fields.iter().any(is_ours)) else {
        return Ok(Cow::Borrowed(json));
    };
    fields.retain(|field| !is_ours(field));
    let data = Json::object(fields).map_err(|error| DataError::Mismatch {
        path: String::new(),
        message: error.to_string(),
        unknown: Vec::new(),
        suggestion: None,
    })?;
    Ok(Cow::Owned(data))
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
            r#"{"epoch": 3}"#,
            Err("invalid data: missing field `epochs`; besides, unknown field: `epoch`"),
        );
        check(r#"{"epochs": 3, "epochs": 4}"#, Err("invalid data: duplicate field `epochs`"));
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
            let message = error.explained_by(Some(&schema), &Json::null()).to_string();
            assert_eq!(message, format!("unknown field in the data: {expected}"));
        }
    }

    #[derive(Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "only decoding is tested")]
    struct Flat {
        name: String,
        #[serde(flatten)]
        common: Common,
        way: Option<Way>,
    }

    #[derive(Deserialize, schemars::JsonSchema)]
    #[expect(dead_code, reason = "only decoding is tested")]
    struct Common {
        epochs: u32,
        #[serde(alias = "lr", default)]
        rate: f64,
    }

    #[derive(Deserialize, schemars::JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    #[expect(dead_code, reason = "only decoding is tested")]
    enum Way {
        Fast {
            #[serde(default)]
            speed: u8,
        },
    }

    /// In these types serde itself reports no unknown field, and no path.
    #[test]
    fn types_with_flatten_and_tagged_variants() {
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_deserialize();
        let schema = settings.into_generator().into_root_schema_for::<Flat>();
        let schema = Json::from_value(&schema).unwrap();
        for (json, expected) in [
            (r#"{"name":"a","epochs":1,"rate":1.5,"way":{"kind":"fast","speed":1}}"#, Ok(())),
            // Another name of a field.
            (r#"{"name":"a","epochs":1,"lr":1.5}"#, Ok(())),
            (r#"{"name":"a","epochs":1,"_ssh_public_key":"a"}"#, Ok(())),
            (
                r#"{"name":"a","epochs":1,"rat":1.5}"#,
                Err("unknown field in the data: `rat`; did you mean `rate`?"),
            ),
            (
                r#"{"name":"a","epochs":1,"way":{"kind":"fast","sped":1}}"#,
                Err("unknown field in the data: `way.sped`; did you mean `speed`?"),
            ),
            (
                r#"{"name":"a","epochs":"x"}"#,
                Err("invalid data at `epochs`: invalid type: string \"x\", expected u32"),
            ),
        ] {
            let json = Json::parse(json).unwrap();
            let decodes = |json: &Json| decode::<Flat>(json).is_ok();
            let found =
                decode::<Flat>(&json).and_then(|_| passed_over(&json, Some(&schema), decodes));
            let found = found.map_err(|error| error.explained_by(Some(&schema), &json).to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{json}");
        }
    }

    #[test]
    fn numbers_arrive_as_they_were_written() {
        const LARGEST: &str = "340282366920938463463374607431768211455";
        let json = Json::parse(&format!(r#"{{"_ours":1,"id":{LARGEST}}}"#)).unwrap();
        let decoded: std::collections::BTreeMap<String, u128> = decode(&json).unwrap();
        assert_eq!(decoded["id"], u128::MAX);
        let json = Json::parse(&format!("-{}", i128::MAX)).unwrap();
        assert_eq!(decode::<i128>(&json).unwrap(), -i128::MAX);
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
    fn data_without_content() {
        #[derive(Debug, Deserialize)]
        struct Nothing;

        for json in ["{}", "null", r#"{"_ours":1}"#] {
            let json = Json::parse(json).unwrap();
            decode::<()>(&json).unwrap();
            decode::<Nothing>(&json).unwrap();
        }
        decode::<()>(&Json::parse(r#"{"a":1}"#).unwrap()).unwrap_err();
    }

    #[test]
    fn no_data() {
        for (json, expected) in [("null", true), ("{}", true), ("{\"_a\":1}", true), ("1", false)] {
            assert_eq!(expect_none(&Json::parse(json).unwrap()).is_ok(), expected, "{json}");
        }
    }
}
