//! Reading JSON by hand: values with their paths, and all problems at once.
//!
//! A derived reader stops at the first mistake, and its messages repeat values, which may be secret. These
//! parts read a form field by field instead: each problem is noted with its path, and reading goes on.
//! Messages name keys and types, never values.
//!
//! ```
//! use chutes::spec::reader::{Located, Problems};
//!
//! let mut problems = Problems::default();
//! let value = serde_json::from_str(r#"{"name": 1, "cuont": 2}"#)?;
//! let mut fields = Located { path: "$".into(), value }.object(&["name", "count"], &mut problems).unwrap();
//! assert_eq!(fields.text("name", &mut problems), None);
//! let errors = problems.finish(None::<()>).unwrap_err();
//! let expected = "$.cuont: unknown key, did you mean `count`?; $.name: expected a text, this is a number";
//! assert_eq!(errors.to_string(), expected);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod duplicates;

use std::fmt::{self, Write};

use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use self::duplicates::check_duplicates;
use crate::spec::place;
use crate::{Escaped, HttpUrl, RelativePath, SpecErrors, SpecProblem, suggest};

/// Problems as they are found.
#[derive(Clone, Debug, Default)]
pub struct Problems(Vec<SpecProblem>);

impl Problems {
    /// Notes a problem: its path, and what is wrong as a lowercase fragment.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(SpecProblem { path: path.into(), message: message.into() });
    }

    /// Whether a problem was noted at this path.
    #[must_use]
    pub fn is_at(&self, path: &str) -> bool {
        self.0.iter().any(|problem| problem.path == path)
    }

    /// The value; on an error nothing, with a problem at this path.
    pub fn check<T, E: fmt::Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, error.to_string())).ok()
    }

    /// The value, if there is one and no problem was noted; else the problems.
    ///
    /// # Errors
    ///
    /// With all problems that were noted.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, SpecErrors> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(SpecErrors { problems: self.0 }),
        }
    }
}

/// Checks that a text is JSON, and an object.
pub(crate) fn check_object(text: &str) -> Result<(), SpecErrors> {
    let message = match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) if raw.get().starts_with('{') => return Ok(()),
        Ok(_) => "a spec is an object: `{…}`".to_owned(),
        Err(error) => format!("not JSON: {error}"),
    };
    let mut problems = Problems::default();
    problems.add("$", message);
    problems.finish(None)
}

/// The path of a member of an object: `.key`, or `["key"]` when the key is not a plain word.
#[must_use]
pub fn member(path: &str, key: &str) -> String {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if !key.is_empty() && key.bytes().all(is_word) {
        return format!("{path}.{key}");
    }
    let mut text = format!("{path}[\"");
    for character in key.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        // A String takes every text.
        let _ = write!(text, "{}", Escaped(character.encode_utf8(&mut [0; 4])));
    }
    text.push_str("\"]");
    text
}

/// The path of an element of an array.
#[must_use]
pub fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// A value, and where it stands.
///
/// Each method that returns an `Option` notes a problem at the path of the value when it returns `None`.
#[derive(Debug)]
pub struct Located {
    /// Its path, for instance `$.limits.start`.
    pub path: String,
    /// The value itself.
    pub value: Value,
}

impl Located {
    /// The object that a text is.
    ///
    /// # Errors
    ///
    /// When the text is not JSON, or not an object.
    pub fn root(text: &str) -> Result<Self, SpecErrors> {
        check_object(text)?;
        let mut problems = Problems::default();
        let value = problems.check("$", serde_json::from_str(text));
        problems.finish(value.map(|value| Self { path: "$".to_owned(), value }))
    }

    /// A text.
    pub fn text(self, problems: &mut Problems) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.wrong("a text", problems),
        }
    }

    /// A text, parsed.
    pub fn parsed<T, E: std::fmt::Display>(
        self,
        problems: &mut Problems,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let path = self.path.clone();
        let text = self.text(problems)?;
        problems.check(&path, parse(&text))
    }

    /// `true` or `false`.
    pub fn boolean(self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => self.wrong("`true` or `false`", problems),
        }
    }

    /// A whole number from 0.
    pub fn count(self, problems: &mut Problems) -> Option<u64> {
        match self.value.as_u64() {
            Some(number) => Some(number),
            None => self.wrong("a whole number that is not negative", problems),
        }
    }

    /// The elements of an array.
    pub fn list(self, problems: &mut Problems) -> Option<Vec<Self>> {
        let Value::Array(values) = self.value else { return self.wrong("a list", problems) };
        let at = |(index, value)| Self { path: element(&self.path, index), value };
        Some(values.into_iter().enumerate().map(at).collect())
    }

    /// The texts of an array. One that is not a text is left out, with a problem.
    pub fn texts(self, problems: &mut Problems) -> Option<Vec<String>> {
        let values = self.list(problems)?;
        Some(values.into_iter().filter_map(|value| value.text(problems)).collect())
    }

    /// The members of an object, in order.
    pub fn members(self, problems: &mut Problems) -> Option<Vec<(String, Self)>> {
        let Value::Object(map) = self.value else { return self.wrong("an object", problems) };
        let at = |(key, value): (String, Value)| {
            let path = member(&self.path, &key);
            (key, Self { path, value })
        };
        Some(map.into_iter().map(at).collect())
    }

    /// Names and texts, in order.
    pub fn pairs(self, problems: &mut Problems) -> Option<Vec<(String, String)>> {
        let members = self.members(problems)?;
        let pair = |(name, value): (String, Self)| Some((name, value.text(problems)?));
        Some(members.into_iter().filter_map(pair).collect())
    }

    /// An object with some of these keys.
    pub fn object(self, known: &[&'static str], problems: &mut Problems) -> Option<Fields> {
        let Value::Object(map) = self.value else { return self.wrong("an object", problems) };
        let fields = Fields { path: self.path, map };
        fields.check_keys(known, problems);
        Some(fields)
    }

    /// Notes what the value should be, and what it is instead.
    pub fn wrong<T>(&self, expected: &str, problems: &mut Problems) -> Option<T> {
        let is = match &self.value {
            Value::Null => "`null`",
            Value::Bool(_) => "`true` or `false`",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        problems.add(&self.path, format!("expected {expected}, this is {is}"));
        None
    }
}

/// The fields of an object that have not been taken yet.
#[derive(Debug)]
pub struct Fields {
    /// The path of the object.
    pub path: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The fields of an object at this path.
    #[must_use]
    pub fn new(path: &str, map: Map<String, Value>) -> Self {
        Self { path: path.to_owned(), map }
    }

    /// Notes a problem for each key that is not one of these.
    pub fn check_keys(&self, known: &[&'static str], problems: &mut Problems) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            problems.add(self.at(key), unknown_key(key, known));
        }
    }

    /// The path of a field.
    #[must_use]
    pub fn at(&self, key: &str) -> String {
        member(&self.path, key)
    }

    /// Whether a key is there and not `null`.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    /// The value of a key that is there and not `null`.
    pub fn take(&mut self, key: &str) -> Option<Located> {
        self.take_any(key).filter(|at| !at.value.is_null())
    }

    /// The value of a key that is there.
    pub fn take_any(&mut self, key: &str) -> Option<Located> {
        let value = self.map.remove(key)?;
        Some(Located { path: self.at(key), value })
    }

    /// The value of a key, or a problem that says what it is for.
    pub fn required(
        &mut self,
        key: &str,
        purpose: &str,
        problems: &mut Problems,
    ) -> Option<Located> {
        let value = self.take(key);
        if value.is_none() {
            problems.add(self.at(key), format!("missing: {purpose}"));
        }
        value
    }

    /// The text of a key.
    pub fn text(&mut self, key: &str, problems: &mut Problems) -> Option<String> {
        self.take(key)?.text(problems)
    }

    /// The URL of a key.
    pub fn url(&mut self, key: &str, problems: &mut Problems) -> Option<HttpUrl> {
        self.required(key, "an `https://` URL", problems)?.parsed(problems, HttpUrl::new)
    }

    /// The path of a key, relative to the directory that the form is about.
    pub fn relative_path(&mut self, key: &str, problems: &mut Problems) -> Option<RelativePath> {
        self.take(key)?.parsed(problems, place::relative)
    }

    /// What one of these names stands for.
    pub fn one_of<T: Copy>(
        &mut self,
        key: &str,
        names: &[(&'static str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        let list = known.join("`, `");
        let path = self.at(key);
        let Some(value) = self.take(key) else {
            problems.add(path, format!("missing: one of `{list}`"));
            return None;
        };
        let text = value.text(problems)?;
        let found = names.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let meant = suggest::nearest(&clipped(&text), known)
                .map(|known| format!("did you mean `{known}`? "))
                .unwrap_or_default();
            let text = clipped(&text);
            let text = Escaped(&text);
            problems.add(path, format!("there is no `{text}`; {meant}there are `{list}`"));
        }
        found.map(|(_, value)| *value)
    }
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    suggest::nearest(&clipped(key), known.iter().copied()).map_or_else(
        || format!("unknown key; there are `{}`", known.join("`, `")),
        |meant| format!("unknown key, did you mean `{meant}`?"),
    )
}

/// Looking for the nearest word takes time that grows with the length of what was written.
fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}
