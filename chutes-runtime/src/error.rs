//! The error that a job returns.

use std::error::Error;
use std::fmt;
use std::ops::Deref;

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
///
/// It can be handed on: with `?` in a function that returns `anyhow::Result` or `Box<dyn Error>`, as a `#[from]` or
/// `#[source]` of an error of `thiserror`, and by [`into_error`](JobError::into_error) as a
/// `Box<dyn Error + Send + Sync>`. It is no `Error` itself, because every error converts into it.
///
/// ```
/// use chutes::JobError;
///
/// #[derive(Debug, thiserror::Error)]
/// enum PipelineError {
///     #[error("the training failed")]
///     Training(#[from] JobError),
/// }
///
/// fn train() -> Result<(), JobError> {
///     Err("the disk is full".into())
/// }
///
/// fn pipeline() -> Result<(), PipelineError> {
///     Ok(train()?)
/// }
///
/// fn nightly() -> anyhow::Result<()> {
///     train()?;
///     Ok(())
/// }
///
/// assert_eq!(JobError::from(pipeline().unwrap_err()).causes(), ["the disk is full"]);
/// assert_eq!(nightly().unwrap_err().to_string(), "the disk is full");
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

    /// Hands the error on, as a type that is an `Error`: with `?` in a function that returns
    /// `Box<dyn Error + Send + Sync>`. This one conversion cannot be done by `?` alone, because every error that
    /// converts into that type converts into a `JobError`, which would then convert into itself in two ways.
    ///
    /// ```
    /// use std::error::Error;
    ///
    /// fn train() -> Result<(), chutes::JobError> {
    ///     Err("the disk is full".into())
    /// }
    ///
    /// fn all() -> Result<(), Box<dyn Error + Send + Sync>> {
    ///     train().map_err(chutes::JobError::into_error)?;
    ///     Ok(())
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

/// The error itself. By this, `thiserror` finds the source of an error that has a `JobError` as its `#[source]`.
impl Deref for JobError {
    type Target = dyn Error + Send + Sync + 'static;

    fn deref(&self) -> &Self::Target {
        &*self.error
    }
}

/// The message and the sources stay. The error itself is found as what it is held as:
///
/// ```
/// use std::error::Error;
///
/// let error = anyhow::Error::from(chutes::JobError::from(std::fmt::Error));
/// let error = error.downcast_ref::<Box<dyn Error + Send + Sync>>().unwrap();
/// assert!(error.is::<std::fmt::Error>());
/// ```
impl From<JobError> for anyhow::Error {
    fn from(error: JobError) -> Self {
        Self::from_boxed(error.error)
    }
}

/// `main` often returns `Result<(), Box<dyn Error>>`.
impl From<JobError> for Box<dyn Error> {
    fn from(error: JobError) -> Self {
        error.error
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the settings")]
    struct SettingsError(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    enum PipelineError {
        #[error("the training failed")]
        Training(#[from] JobError),
        #[error("the evaluation failed")]
        Evaluation {
            #[source]
            error: JobError,
        },
        #[error(transparent)]
        Other(JobError),
    }

    fn job() -> Result<(), JobError> {
        Err(SettingsError(io::Error::other("the disk is full")).into())
    }

    #[test]
    fn it_is_a_source_of_errors_of_thiserror() {
        fn pipeline() -> Result<(), PipelineError> {
            Ok(job()?)
        }
        let error = job().unwrap_err();
        for error in [pipeline().unwrap_err(), PipelineError::Evaluation { error }] {
            assert!(error.source().unwrap().is::<SettingsError>());
            assert_eq!(
                JobError::from(error).causes(),
                ["cannot read the settings", "the disk is full"]
            );
        }
        let transparent = PipelineError::Other(job().unwrap_err());
        assert_eq!(transparent.to_string(), "cannot read the settings");
        assert!(transparent.source().unwrap().is::<io::Error>());
    }

    #[test]
    fn it_is_handed_on_by_a_question_mark() {
        fn by_anyhow() -> anyhow::Result<()> {
            job()?;
            Ok(())
        }
        fn boxed() -> Result<(), Box<dyn Error>> {
            job()?;
            Ok(())
        }
        fn boxed_for_threads() -> Result<(), Box<dyn Error + Send + Sync>> {
            job().map_err(JobError::into_error)?;
            Ok(())
        }
        let error = by_anyhow().unwrap_err();
        assert_eq!(format!("{error:#}"), "cannot read the settings: the disk is full");
        assert!(
            error.downcast_ref::<Box<dyn Error + Send + Sync>>().unwrap().is::<SettingsError>()
        );
        assert!(error.root_cause().is::<io::Error>());
        assert!(boxed().unwrap_err().is::<SettingsError>());
        assert!(boxed_for_threads().unwrap_err().is::<SettingsError>());
    }

    #[test]
    fn it_comes_back_from_anyhow() {
        fn back() -> Result<(), JobError> {
            let error = anyhow::Error::from(job().unwrap_err()).context("the night failed");
            Err(error)?
        }
        let error = back().unwrap_err();
        assert_eq!(error.to_string(), "the night failed");
        assert_eq!(error.causes(), ["cannot read the settings", "the disk is full"]);
    }
}
