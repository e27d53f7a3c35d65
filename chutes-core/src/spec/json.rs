//! The JSON form of a spec: complete, with its secrets.
//!
//! It is read by hand, because the messages of a derived reader repeat values, which may be secret, and
//! tell one mistake at a time.

mod access;
mod fields;
pub(crate) mod object;
mod read;
mod schema;
pub(crate) mod volumes;
mod write;

#[cfg(test)]
pub(super) use self::access::{PORT_KEYS, SSH_KEYS, STREAMING_KEYS};
#[cfg(test)]
pub(super) use self::read::KEYS;
pub(crate) use self::write::pairs;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::JobSpec;
use super::check::Form;
use super::problem::{Problems, SpecErrors};
use crate::compute_horde::JobRequest;

impl JobSpec {
    /// Reads the JSON form, and tells everything that is wrong with it.
    ///
    /// ```
    /// use chutes_core::JobSpec;
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
    /// # Ok::<(), chutes_core::SpecErrors>(())
    /// ```
    pub fn from_json(text: &str) -> Result<Self, SpecErrors> {
        read::spec(text, Form::Own)
    }

    /// Reads a spec in our own form, or in that of the ComputeHorde API, which has a key `docker_image`.
    ///
    /// ```
    /// use chutes_core::JobSpec;
    ///
    /// let spec = JobSpec::from_any_json(r#"{
    ///     "docker_image": "alpine", "download_time_limit": 1, "execution_time_limit": 2,
    ///     "upload_time_limit": 3
    /// }"#)?;
    /// assert_eq!(spec, JobSpec::from_json(r#"{
    ///     "image": "alpine", "limits": {"download": 1, "execute": 2, "upload": 3, "grace": 10}
    /// }"#)?);
    /// # Ok::<(), chutes_core::SpecErrors>(())
    /// ```
    pub fn from_any_json(text: &str) -> Result<Self, SpecErrors> {
        if read::has_key(text, "docker_image") {
            Self::try_from(&JobRequest::from_json(text)?)
        } else {
            Self::from_json(text)
        }
    }
}

/// Reads what has been written down. It is checked like any other spec, but what a run may ask for (the
/// length of its limits, its class) is not judged again: a run that has begun must stay readable.
impl<'de> Deserialize<'de> for JobSpec {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(from)?;
        read::spec(text.get(), Form::Record).map_err(serde::de::Error::custom)
    }
}

/// A text that is not JSON, or not an object.
pub(crate) fn not_an_object(text: &str) -> Option<SpecErrors> {
    let message = match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) if raw.get().starts_with('{') => return None,
        Ok(_) => "a spec is an object: `{…}`".to_owned(),
        Err(error) => format!("not JSON: {error}"),
    };
    let mut problems = Problems::default();
    problems.add("$", message);
    problems.finish(None::<()>).err()
}
