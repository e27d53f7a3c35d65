//! The error that a job returns.

use std::error::Error;
use std::fmt;

use chutes_core::user_text;

/// The error of a job: any error, kept as it is.
///
/// Every type that converts into `Box<dyn Error + Send + Sync>` converts into it: errors of the
/// standard library and of other crates, `anyhow::Error`, `String`, `&str`. So `?` works on all of
/// them in a function that returns `Result<_, JobError>`, and a job may as well return its own error
/// type. The outcome of the run has the message and the chain of sources. A panic is a failure of
/// another kind in the outcome.
///
/// ```
/// use chutes::JobError;
///
/// fn learning_rate(text: &str) -> Result<f64, JobError> {
///     let rate: f64 = text.parse()?;
///     if rate <= 0.0 {
///         return Err("the learning rate must be positive".into());
///     }
///     Ok(rate)
/// }
///
/// assert!(learning_rate("abc").unwrap_err().downcast_ref::<std::num::ParseFloatError>().is_some());
/// assert_eq!(learning_rate("-1").unwrap_err().to_string(), "the learning rate must be positive");
/// ```
pub struct JobError {
    error: Box<dyn Error + Send + Sync + 'static>,
}

impl JobError {
    /// The error itself.
    ///
    /// ```
    /// let error = chutes::JobError::from("the disk is full");
    /// assert_eq!(error.as_error().to_string(), error.to_string());
    /// ```
    #[must_use]
    pub fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// Hands the error on: to `anyhow::Error::from_boxed`, as the source of an error of `thiserror`, or with `?` in a
    /// function that returns `Box<dyn Error + Send + Sync>`. A `JobError` is no `Error` itself, because every error
    /// converts into it.
    ///
    /// ```
    /// use std::error::Error;
    ///
    /// fn train() -> Result<(), chutes::JobError> {
    ///     Err("the disk is full".into())
    /// }
    ///
    /// fn all() -> Result<(), Box<dyn Error + Send + Sync>> {
    ///     Ok(train().map_err(chutes::JobError::into_error)?)
    /// }
    /// assert_eq!(all().unwrap_err().to_string(), "the disk is full");
    /// ```
    #[must_use]
    pub fn into_error(self) -> Box<dyn Error + Send + Sync + 'static> {
        self.error
    }

    /// The error as the type that it was made from.
    ///
    /// ```
    /// use std::io;
    ///
    /// let error = chutes::JobError::from(io::Error::from(io::ErrorKind::NotFound));
    /// assert_eq!(error.downcast_ref().map(io::Error::kind), Some(io::ErrorKind::NotFound));
    /// ```
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }

    /// The messages of the sources, the nearest first. Each has at most 8 KiB, and after 32 of them one says that
    /// there are more: an error may be its own source.
    ///
    /// ```
    /// use chutes::JobError;
    /// use chutes::run::RunError;
    ///
    /// let error = JobError::from(RunError::Journal(std::io::Error::other("the disk is full")));
    /// assert_eq!(error.to_string(), "cannot write the journal of the run");
    /// assert_eq!(error.causes(), ["the disk is full"]);
    /// ```
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        user_text::causes(&*self.error)
    }
}

/// The texts of an error. They are taken where the error occurs, because the error's own code may panic, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ErrorText {
    pub(crate) message: String,
    pub(crate) causes: Vec<String>,
}

impl From<JobError> for ErrorText {
    fn from(error: JobError) -> Self {
        Self { message: user_text::cut(&error, user_text::MAX_MESSAGE), causes: error.causes() }
    }
}

impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `JobError` does not implement `Error`: this conversion would then overlap with `From<T> for T`.
impl<E: Into<Box<dyn Error + Send + Sync + 'static>>> From<E> for JobError {
    fn from(error: E) -> Self {
        Self { error: error.into() }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// The format that `fn main() -> Result<(), JobError>` prints: the message, then the sources.
impl fmt::Debug for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)?;
        self.causes().iter().try_for_each(|cause| write!(f, "\n  caused by: {cause}"))
    }
}
