//! The problems of a spec, each with its path.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All problems of a spec, without secrets.
///
/// ```
/// use chutes::spec::JobSpec;
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

/// One problem of a spec.
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
