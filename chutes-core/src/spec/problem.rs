//! What is wrong with a spec, and where.

use std::fmt::{self, Write};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Escaped;

/// Why something is not a spec: all that is wrong with it, without secrets.
///
/// ```
/// use chutes_core::JobSpec;
///
/// let errors = JobSpec::from_json(r#"{"image": "alpine", "env": {"A=B": "1"}}"#).unwrap_err();
/// assert_eq!(errors.problems[0].path, r#"$.env["A=B"]"#);
/// assert_eq!(errors.to_string(), r#"$.env["A=B"]: the name of a variable has a `=`"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecErrors {
    /// The problems, in the order of the spec as far as that is known. There is at least one.
    pub problems: Vec<SpecProblem>,
}

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpecProblem {
    /// Where it stands in the JSON form, for instance `$.input_volumes["/volume/x"].url`; `$` is the
    /// whole.
    pub path: String,
    /// What is wrong: a lowercase fragment.
    pub message: String,
}

/// All problems on one line, with `; ` between them. One per line with `{:#}`.
impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str(if f.alternate() { "\n" } else { "; " })?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecErrors {}

impl fmt::Display for SpecProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// Problems as they are found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problems(Vec<SpecProblem>);

impl Problems {
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(SpecProblem { path: path.into(), message: message.into() });
    }

    /// The value, or a problem here.
    pub(crate) fn check<T, E: fmt::Display>(
        &mut self,
        path: &str,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.add(path, error.to_string())).ok()
    }

    /// The value if nothing is wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, SpecErrors> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(SpecErrors { problems: self.0 }),
        }
    }
}

/// The path of a member of an object: `.key`, or `["key"]` when the key is not a plain word.
pub(crate) fn member(path: &str, key: &str) -> String {
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
pub(crate) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}
