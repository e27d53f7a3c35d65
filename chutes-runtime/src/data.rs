//! The data of a run: from JSON to the type that the job takes.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use chutes_core::{Json, suggest};
use serde::de::DeserializeOwned;

use crate::data_schema::DataSchema;
use crate::field_path::{self, at};

/// A value of each kind: no type takes all of them, unless it takes everything.
const VALUES: [&str; 6] = ["null", "true", "0", r#""""#, "[]", "{}"];

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
    pub(crate) fn explained_by(mut self, schema: &DataSchema, data: &Json) -> Self {
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
    schema: &DataSchema,
    decodes: impl Fn(&Json) -> bool,
) -> Result<(), DataError> {
    // A name that the schema does not have may be another name of a field (`alias`), and is one if its value matters.
    let matters = |path: &[String]| {
        VALUES
            .iter()
            .filter_map(|value| Json::parse(value).ok())
            .any(|value| data.with_field(path, value).is_ok_and(|changed| !decodes(&changed)))
    };
    let mut paths: Vec<String> = Vec::new();
    for path in schema.unlisted(data).into_iter().take(MOST_CHECKED) {
        if !matters(&path) && !is_other_name(&path, data, schema, &decodes) {
            paths.push(path.join("."));
        }
    }
    if paths.is_empty() {
        return Ok(());
    }
    Err(DataError::UnknownFields { paths, suggestion: None })
}

/// Whether a field is another name (`alias`) of one that takes every value: it can stand in the place of that field, and
/// not beside it.
fn is_other_name(
    path: &[String],
    data: &Json,
    schema: &DataSchema,
    decodes: impl Fn(&Json) -> bool,
) -> bool {
    let Some((name, parent)) = path.split_last() else { return false };
    let below = |object: Json, name: &String| {
        object.fields()?.into_iter().find(|(other, _)| other == name).map(|(_, value)| value)
    };
    let object = parent.iter().try_fold(data.clone(), below);
    let fields = object.and_then(|object| object.fields()).unwrap_or_default();
    let Some((_, value)) = fields.iter().find(|(other, _)| other == name) else { return false };
    let decodes_with = |fields: Vec<(String, Json)>| {
        let object = Json::object(fields).ok();
        object
            .is_some_and(|object| data.with_field(parent, object).is_ok_and(|data| decodes(&data)))
    };
    let words: Vec<&str> = parent.iter().map(String::as_str).collect();
    let known = schema.fields(&words).unwrap_or_default();
    known.into_iter().filter(|known| fields.iter().all(|(other, _)| other != known)).any(|known| {
        let (mut instead, mut beside) = (fields.clone(), fields.clone());
        instead.retain(|(other, _)| other != name);
        for fields in [&mut instead, &mut beside] {
            fields.push((known.to_owned(), value.clone()));
        }
        decodes_with(instead) && !decodes_with(beside)
    })
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
