//! Fields that take one of a few values: enums without data.

use chutes_core::suggest;
use serde_json::{Map, Value};

/// One of the values that a field takes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    /// The value as people write it.
    pub(crate) text: String,
    pub(crate) value: Value,
    /// The doc comment of the variant; may be empty.
    pub(crate) meaning: String,
}

/// How many values a message lists.
const MOST_LISTED: usize = 20;

impl Choice {
    /// The values of a schema with `enum` or `const`. `None` when it has neither, or values with parts.
    pub(super) fn of(schema: &Map<String, Value>, meaning: &str) -> Option<Vec<Self>> {
        let values = match (schema.get("enum"), schema.get("const")) {
            (Some(Value::Array(values)), _) => values.iter().collect(),
            (_, Some(value)) => vec![value],
            _ => return None,
        };
        let values: Vec<&Value> = values.into_iter().filter(|value| !value.is_null()).collect();
        // What is said of several values is not said of one.
        let meaning = if values.len() == 1 { meaning } else { "" };
        values.into_iter().map(|value| Self::new(value, meaning)).collect()
    }

    fn new(value: &Value, meaning: &str) -> Option<Self> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some(Self { text, value: value.clone(), meaning: meaning.to_owned() })
    }

    /// The first paragraph of the doc comment, if there is one.
    pub(crate) fn summary(&self) -> Option<&str> {
        self.meaning.lines().next()
    }
}

/// The value that a text stands for, or what is wrong with it, to follow the text in a message.
pub(super) fn parse(choices: &[Choice], text: &str) -> Result<Value, String> {
    if let Some(choice) = choices.iter().find(|choice| choice.text == text) {
        return Ok(choice.value.clone());
    }
    let texts = || choices.iter().map(|choice| choice.text.as_str());
    let mut listed: Vec<String> =
        texts().take(MOST_LISTED).map(|text| format!("`{text}`")).collect();
    if choices.len() > MOST_LISTED {
        listed.push(format!("{} more", choices.len() - MOST_LISTED));
    }
    let meant = suggest::nearest(text, texts());
    let meant = meant.map(|text| format!("; did you mean `{text}`?")).unwrap_or_default();
    Err(match listed.as_slice() {
        [only] => format!("is not {only}{meant}"),
        _ => format!("is none of {}{meant}", listed.join(", ")),
    })
}
