//! Reading JSON by hand: values with their paths, and all problems at once.
//!
//! Messages name keys and types, never values, which may be secret.

use serde_json::{Map, Value};

use crate::spec::problem::{Problems, element, member};
use crate::{Escaped, suggest};

/// A value of a spec, and where it stands.
#[derive(Debug)]
pub(crate) struct At {
    pub(crate) path: String,
    pub(crate) value: Value,
}

impl At {
    pub(crate) fn text(self, problems: &mut Problems) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text),
            _ => self.wrong("a text", problems),
        }
    }

    /// A text, as what it is parsed to.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        self,
        problems: &mut Problems,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let path = self.path.clone();
        let text = self.text(problems)?;
        problems.check(&path, parse(&text))
    }

    pub(crate) fn boolean(self, problems: &mut Problems) -> Option<bool> {
        match self.value {
            Value::Bool(value) => Some(value),
            _ => self.wrong("`true` or `false`", problems),
        }
    }

    /// A whole number from 0.
    pub(crate) fn count(self, problems: &mut Problems) -> Option<u64> {
        match self.value.as_u64() {
            Some(number) => Some(number),
            None => self.wrong("a whole number that is not negative", problems),
        }
    }

    /// The elements of an array.
    pub(crate) fn list(self, problems: &mut Problems) -> Option<Vec<Self>> {
        let Value::Array(values) = self.value else { return self.wrong("a list", problems) };
        let at = |(index, value)| Self { path: element(&self.path, index), value };
        Some(values.into_iter().enumerate().map(at).collect())
    }

    /// The texts of an array. One that is not a text is left out, with a problem.
    pub(crate) fn texts(self, problems: &mut Problems) -> Option<Vec<String>> {
        let values = self.list(problems)?;
        Some(values.into_iter().filter_map(|value| value.text(problems)).collect())
    }

    /// The members of an object, in order.
    pub(crate) fn members(self, problems: &mut Problems) -> Option<Vec<(String, Self)>> {
        let Value::Object(map) = self.value else { return self.wrong("an object", problems) };
        let at = |(key, value): (String, Value)| {
            let path = member(&self.path, &key);
            (key, Self { path, value })
        };
        Some(map.into_iter().map(at).collect())
    }

    /// Names and texts, in order.
    pub(crate) fn pairs(self, problems: &mut Problems) -> Option<Vec<(String, String)>> {
        let members = self.members(problems)?;
        let pair = |(name, value): (String, Self)| Some((name, value.text(problems)?));
        Some(members.into_iter().filter_map(pair).collect())
    }

    /// An object with some of these keys.
    pub(crate) fn object(self, known: &[&'static str], problems: &mut Problems) -> Option<Fields> {
        let Value::Object(map) = self.value else { return self.wrong("an object", problems) };
        let fields = Fields { path: self.path, map };
        fields.check_keys(known, problems);
        Some(fields)
    }

    /// Says what it should be, and what it is instead.
    pub(crate) fn wrong<T>(&self, expected: &str, problems: &mut Problems) -> Option<T> {
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
pub(crate) struct Fields {
    pub(crate) path: String,
    map: Map<String, Value>,
}

impl Fields {
    pub(crate) fn new(path: &str, map: Map<String, Value>) -> Self {
        Self { path: path.to_owned(), map }
    }

    pub(crate) fn check_keys(&self, known: &[&'static str], problems: &mut Problems) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            problems.add(self.at(key), unknown_key(key, known));
        }
    }

    pub(crate) fn at(&self, key: &str) -> String {
        member(&self.path, key)
    }

    /// Whether a key is there and not `null`.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    /// The value of a key that is there and not `null`.
    pub(crate) fn take(&mut self, key: &str) -> Option<At> {
        self.take_any(key).filter(|at| !at.value.is_null())
    }

    /// The value of a key that is there.
    pub(crate) fn take_any(&mut self, key: &str) -> Option<At> {
        let value = self.map.remove(key)?;
        Some(At { path: self.at(key), value })
    }

    /// The value of a key, or a problem that says what it is for.
    pub(crate) fn required(
        &mut self,
        key: &str,
        purpose: &str,
        problems: &mut Problems,
    ) -> Option<At> {
        let value = self.take(key);
        if value.is_none() {
            problems.add(self.at(key), format!("missing: {purpose}"));
        }
        value
    }

    pub(crate) fn text(&mut self, key: &str, problems: &mut Problems) -> Option<String> {
        self.take(key)?.text(problems)
    }

    /// One of these names.
    pub(crate) fn one_of<T: Copy>(
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

pub(crate) fn unknown_key(key: &str, known: &[&str]) -> String {
    suggest::nearest(&clipped(key), known.iter().copied()).map_or_else(
        || format!("unknown key; there are `{}`", known.join("`, `")),
        |meant| format!("unknown key, did you mean `{meant}`?"),
    )
}

/// Looking for the nearest word takes time that grows with the length of what was written.
fn clipped(text: &str) -> String {
    text.chars().take(64).collect()
}
