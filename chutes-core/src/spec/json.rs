//! The JSON form of a spec: complete, with its secrets.
//!
//! It is read by hand, because the messages of a derived reader repeat values, which may be secret, and
//! report one mistake at a time. What is written, and the schema, derive from one type ([`form`]). That reader
//! and schema have the same keys, and that both accept what is written, is tested. A new field stands in
//! [`JobSpec`], in its builder, in [`read`] and in [`form`].

mod access;
mod fields;
mod form;
mod read;
mod volumes;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::check::Form;
use super::{JobSpec, SpecErrors, SpecRules};

impl JobSpec {
    /// Reads the JSON form, and reports everything that is wrong with it.
    ///
    /// ```
    /// use chutes::spec::JobSpec;
    ///
    /// let spec = JobSpec::from_json(r#"{"image": "alpine", "limits": {"execute": "2h"}}"#)?;
    /// assert_eq!(spec.limits.execute.map(|limit| limit.as_secs()), Some(7_200));
    ///
    /// let errors = JobSpec::from_json(
    ///     r#"{"image": "alpine", "evn": {}, "input_volumes": {"/volume/x": {"type": "http"}}}"#,
    /// )
    /// .unwrap_err();
    /// let [unknown, missing] = &errors.problems[..] else { unreachable!() };
    /// assert_eq!(unknown.to_string(), "$.evn: unknown key, did you mean `env`?");
    /// assert_eq!(missing.path, r#"$.input_volumes["/volume/x"].url"#);
    /// # Ok::<(), chutes::spec::SpecErrors>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self, SpecErrors> {
        read::spec(text, Form::OWN)
    }

    /// The same for a component that runs specs: a class that is neither among those of the rules nor built in is a
    /// problem, too, and so are parts that the component cannot use.
    ///
    /// ```
    /// use chutes::spec::{JobSpec, SpecRules};
    ///
    /// let text = r#"{"image": "alpine", "executor_class": "locla"}"#;
    /// assert!(JobSpec::from_json(text).is_ok());
    /// let errors = JobSpec::from_json_with(text, SpecRules::of_classes(&[])).unwrap_err();
    /// assert_eq!(
    ///     errors.to_string(),
    ///     "$.executor_class: there is no class `locla`, did you mean `local`?; there are `local`, `local.gpu`",
    /// );
    /// ```
    pub fn from_json_with(text: &str, rules: SpecRules<'_>) -> Result<Self, SpecErrors> {
        read::spec(text, Form { rules: Some(rules), ..Form::OWN })
    }
}

/// Reads a spec of a journal. It is checked like any other, except for what a run may ask for (the length of its
/// limits, its class): a run that has begun must stay readable.
impl<'de> Deserialize<'de> for JobSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(from)?;
        read::spec(text.get(), Form::RECORD).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(super) mod keys {
    //! All keys that the reader knows.

    pub(in crate::spec) use super::access::{PORT_KEYS, SSH_KEYS, STREAMING_KEYS};
    pub(in crate::spec) use super::fields::{LIMIT_KEYS, RESOURCE_KEYS};
    pub(in crate::spec) use super::read::KEYS;
    pub(in crate::spec) use super::volumes::{INPUT_KEYS, OUTPUT_KEYS};
}
