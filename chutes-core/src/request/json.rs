//! The JSON form of a run request: complete, with its secrets.
//!
//! It is read by hand, like a spec, because the messages of a derived reader repeat values, which may be
//! secret, and stop at the first mistake. What is written, and the schema, come from one private type.

mod read;
mod write;

#[cfg(test)]
pub(super) use self::read::{ACCESS_KEYS, CACHE_KEYS, ENGINE_KEYS, KEYS};
use super::{RunRequest, RunRequestError};

impl RunRequest {
    /// The JSON form, with all secrets: for a file descriptor or a private file only.
    ///
    /// What is written has been read back once, so that a mistake is found here and not by another
    /// process.
    ///
    /// ```
    /// use chutes::request::RunRequest;
    /// use chutes::run::RunId;
    /// use chutes::spec::{ImageName, JobSpec};
    ///
    /// let spec = JobSpec::image(ImageName::new("alpine")?, Vec::new());
    /// let request = RunRequest::new(RunId::from_bytes([7; 16]), spec, "");
    /// assert_eq!(request.to_json().unwrap_err().to_string(), "$.directory: a path is not empty");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When [`from_json`](Self::from_json) would refuse the text.
    pub fn to_json(&self) -> Result<String, RunRequestError> {
        let text = write::request(self)?;
        Self::from_json(&text)?;
        Ok(text)
    }

    /// Reads the JSON form, and reports everything that is wrong with it.
    ///
    /// A request of a later version may look different in every other way, so its version is looked at
    /// before anything else but its length. Keys that are unknown or stand twice are refused, except in the
    /// data of a job, which has rules of its own. Whether there is such a class of machine is up to the
    /// caller ([`JobSpec::check_class`](crate::JobSpec::check_class)).
    ///
    /// ```
    /// use chutes::request::RunRequest;
    ///
    /// let text = r#"{"version": 1, "run_id": "7", "directory": "runs/7", "spec": {"imgae": "alpine"}}"#;
    /// let errors = RunRequest::from_json(text).unwrap_err();
    /// assert_eq!(
    ///     errors.to_string(),
    ///     "$.spec.imgae: unknown key, did you mean `image`?; \
    ///      $.spec: missing: `image`, or `job`, says what to run; \
    ///      $.run_id: invalid run id `7`: expected a UUID",
    /// );
    /// ```
    pub fn from_json(text: &str) -> Result<Self, RunRequestError> {
        if text.len() > Self::MAX_BYTES {
            return Err(RunRequestError::TooLong { bytes: text.len() });
        }
        read::request(text)
    }
}
