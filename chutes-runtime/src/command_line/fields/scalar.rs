//! Single values: their types, their ranges, and how text of a command line becomes one.

use chutes_core::{Escaped, Json};
use serde_json::{Map, Value};

use super::choice::{self, Choice};
use super::range::{Count, Quantity, Range};

/// The type of a single value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    Boolean,
    Integer(Range),
    Number(Range),
    Text(Text),
    Choice(Vec<Choice>),
}

/// What a text may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text {
    characters: Count,
    /// Shown, and left to the type of the field to check.
    pattern: Option<String>,
    /// The same.
    format: Option<String>,
}

/// How much of a wrong value a message shows, in characters.
const MOST_SHOWN: usize = 60;

impl Scalar {
    /// The type of a value of this name in JSON Schema, with what the schemas that apply to it say.
    pub(super) fn of(name: &str, schemas: &[&Map<String, Value>]) -> Option<Self> {
        let range = || {
            let mut range = Range::default();
            for schema in schemas {
                range.add(schema);
            }
            range
        };
        Some(match name {
            "boolean" => Self::Boolean,
            "integer" => Self::Integer(range()),
            "number" => Self::Number(range()),
            "string" => Self::Text(Text::of(schemas)),
            _ => return None,
        })
    }

    /// The type in a word.
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer(_) => "integer",
            Self::Number(_) => "number",
            Self::Text(_) => "text",
            Self::Choice(_) => "choice",
        }
    }

    /// The same word for several values.
    pub(super) fn plural(&self) -> &'static str {
        match self {
            Self::Boolean => "booleans",
            Self::Integer(_) => "integers",
            Self::Number(_) => "numbers",
            Self::Text(_) => "texts",
            Self::Choice(_) => "choices",
        }
    }

    pub(super) fn range_text(&self) -> String {
        match self {
            Self::Boolean => String::new(),
            Self::Integer(range) | Self::Number(range) => range.text(),
            Self::Text(text) => text.range_text(),
            Self::Choice(choices) => {
                choices.iter().map(|choice| choice.text.as_str()).collect::<Vec<_>>().join(", ")
            }
        }
    }

    /// The value that a text stands for, or one line that says what is wrong with it.
    pub(crate) fn parse(&self, text: &str) -> Result<Json, String> {
        let parsed = match self {
            Self::Boolean => boolean(text),
            Self::Integer(range) => integer(range, text),
            Self::Number(range) => number(range, text),
            Self::Text(bounds) => bounds.check(text).and_then(|()| json(&text)),
            Self::Choice(choices) => choice::parse(choices, text).and_then(|value| json(&value)),
        };
        parsed.map_err(|problem| format!("`{}` {problem}", beginning(text)))
    }
}

impl Text {
    fn of(schemas: &[&Map<String, Value>]) -> Self {
        let mut text = Self::default();
        for schema in schemas {
            let word = |keyword: &str| schema.get(keyword).and_then(Value::as_str);
            text.characters.add(schema, "minLength", "maxLength");
            text.pattern = text.pattern.or(word("pattern").map(String::from));
            text.format = text.format.or(word("format").map(String::from));
        }
        text
    }

    fn range_text(&self) -> String {
        let count = self.characters.text("character");
        let pattern = self.pattern.as_ref().map(|pattern| format!("pattern {pattern}"));
        let parts = [Some(count).filter(|count| !count.is_empty()), self.format.clone(), pattern];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn check(&self, text: &str) -> Result<(), String> {
        if self.characters.admits(text.chars().count()) {
            return Ok(());
        }
        Err(format!("is not a text of {}", self.characters.text("character")))
    }
}

fn json(value: &impl serde::Serialize) -> Result<Json, String> {
    Json::from_value(value).map_err(|error| format!("is not possible: {error}"))
}

fn boolean(text: &str) -> Result<Json, String> {
    let value: bool = text.parse().map_err(|_| "is neither `true` nor `false`")?;
    json(&value)
}

/// Leading zeros and a plus sign are read past: JSON has none. A whole number may have any length.
fn integer(range: &Range, text: &str) -> Result<Json, String> {
    let wrong = |phrase: String| format!("is not a whole number{phrase}");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = Quantity::parse(text).filter(|_| is_whole);
    let number = number.ok_or_else(|| wrong(range.phrase()))?;
    range.check(number).map_err(wrong)?;
    let digits = digits.trim_start_matches('0');
    let written = if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") };
    Json::parse(&written).map_err(|_| wrong(range.phrase()))
}

/// A number that is JSON keeps the form in which it was written.
fn number(range: &Range, text: &str) -> Result<Json, String> {
    let wrong = || format!("is not a number{}", range.phrase());
    let number = Quantity::parse(text).ok_or_else(wrong)?;
    range.check(number).map_err(|_| wrong())?;
    Json::parse(text).or_else(|_| json(&number.real()))
}

/// A value as a message shows it.
fn beginning(text: &str) -> String {
    let shown: String = text.chars().take(MOST_SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("{}{more}", Escaped(&shown))
}
