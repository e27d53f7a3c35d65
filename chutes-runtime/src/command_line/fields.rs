//! What the JSON Schema of data or of a result says, field by field: path, type, range, default, meaning.
//!
//! The schema of a type that derives `JsonSchema` is read once, here. Options of `run`, tables of `describe` and
//! completions are three uses of the same [`Fields`].

mod choice;
mod layers;
mod range;
mod read;
mod scalar;
#[cfg(test)]
mod tests;

use chutes_core::Json;
use serde_json::Value;

pub(super) use self::choice::Choice;
pub(super) use self::range::Count;
pub(super) use self::scalar::Scalar;

/// The fields of a type, in the order of the type. A field of an object comes after the object.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields {
    /// The name of the type, if the schema has it.
    pub(super) title: Option<String>,
    /// The fields. What is not an object is one field without a path.
    pub(super) list: Vec<Field>,
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// The names on the way to it. Below a list, the name of the list ends in `[]`; below a map there is a `*`.
    pub(super) path: Vec<String>,
    pub(super) shape: Shape,
    pub(super) need: Need,
    pub(super) default: Option<Value>,
    /// The doc comment, one paragraph per line.
    pub(super) meaning: String,
    pub(super) deprecated: bool,
    /// Whether the path leads to one place only, which is not so below lists and maps.
    pub(super) is_single: bool,
}

/// What can be in a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// One value.
    One(Scalar),
    /// A list of values, and how many.
    List(Scalar, Count),
    /// An object, whose fields come after it.
    Object,
    /// All else, in words.
    Other(String),
}

/// Whether a field must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// It must.
    Required,
    /// It must be there if the object at this path is, which may be left out.
    RequiredIn(String),
    /// It may be left out.
    Optional,
}

impl Fields {
    /// Reads a schema. One that is not JSON of the expected form has fewer fields; nothing is an error.
    pub(super) fn of(schema: &Json) -> Self {
        schema.to().map(|root: Value| read::fields(&root)).unwrap_or_default()
    }
}

impl Field {
    /// The path as messages and tables show it: `optimizer.rate`. Empty for the value as a whole.
    pub(super) fn name(&self) -> String {
        self.path.join(".")
    }

    /// Whether text on a command line can be turned into its value, and its place be named there.
    pub(super) fn is_settable(&self) -> bool {
        let is_plain = |name: &String| {
            !name.starts_with('-')
                && !name.is_empty()
                && name.chars().all(|sign| sign.is_alphanumeric() || ['_', '-'].contains(&sign))
        };
        self.is_single
            && !self.path.is_empty()
            && matches!(self.shape, Shape::One(_) | Shape::List(..))
            && self.path.iter().all(is_plain)
    }

    /// The first paragraph of the doc comment.
    pub(super) fn summary(&self) -> &str {
        self.meaning.lines().next().unwrap_or_default()
    }

    /// The default as people write the value.
    pub(super) fn default_text(&self) -> Option<String> {
        self.default.as_ref().map(|default| match default {
            Value::String(text) if !text.is_empty() => text.clone(),
            other => other.to_string(),
        })
    }
}

impl Shape {
    /// The type in words.
    pub(super) fn type_text(&self) -> String {
        match self {
            Self::One(scalar) => scalar.noun().to_owned(),
            Self::List(scalar, _) => format!("list of {}", scalar.plural()),
            Self::Object => "object".to_owned(),
            Self::Other(words) => words.clone(),
        }
    }

    /// The values that are allowed; empty when the type says it all.
    pub(super) fn range_text(&self) -> String {
        match self {
            Self::One(scalar) => scalar.range_text(),
            Self::List(scalar, count) => {
                let count = count.is_bounded().then(|| count.text("value"));
                let parts = [Some(scalar.range_text()), count];
                let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
                parts.collect::<Vec<_>>().join("; ")
            }
            Self::Object | Self::Other(_) => String::new(),
        }
    }
}
