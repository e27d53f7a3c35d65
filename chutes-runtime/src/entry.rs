//! From the user's typed functions to erased definitions.
//!
//! The traits here exist for their error messages: the expansion of an attribute names the types of the function
//! where one of these bounds is checked, so the compiler reports a wrong type at that type, in terms of jobs. What is
//! called by an expansion is a function of the trait, because the compiler adds the signature of a free function. For the
//! same reason these traits require no other ones: the compiler would report those.

use std::fmt;
use std::future::Future;

use chutes_core::Json;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backtrace::user_code;
use crate::context::JobContext;
use crate::data::{self, DataError};
use crate::definition::{BoxFuture, HookFuture, PreparedJob, StateValue, WorkError};
use crate::error::JobError;
use crate::result;

/// The type of the first parameter of a job: [`JobContext`].
#[diagnostic::on_unimplemented(
    message = "the first parameter of a job must be `JobContext`, found `{Self}`",
    label = "expected `chutes::JobContext`"
)]
pub trait ContextParameter {
    /// Makes the argument.
    fn from_context(context: JobContext) -> Self;
}

impl ContextParameter for JobContext {
    fn from_context(context: JobContext) -> Self {
        context
    }
}

/// The type of the parameter of a hook: [`JobContext`].
#[diagnostic::on_unimplemented(
    message = "the parameter of a hook must be `JobContext`, found `{Self}`",
    label = "expected `chutes::JobContext`"
)]
pub trait HookParameter {
    /// Makes the argument.
    fn from_context(context: JobContext) -> Self;
}

impl HookParameter for JobContext {
    fn from_context(context: JobContext) -> Self {
        context
    }
}

/// A type that can be the data of a job.
///
/// Every type that implements `serde::Deserialize` without borrowing, and is `Send` and `'static`.
///
/// ```
/// fn check<T: chutes::data::JobData>() {}
///
/// #[derive(serde::Deserialize)]
/// struct Settings {
///     epochs: u32,
/// }
/// check::<Settings>();
/// check::<Vec<f64>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the data of a job",
    label = "this type does not implement `JobData`",
    note = "add `#[derive(serde::Deserialize)]` to it; it must own what it has, and be `Send`"
)]
pub trait JobData: Sized {
    /// Decodes the data and binds it to the function of a job.
    #[doc(hidden)]
    fn bind<C, F>(json: &Json, job: fn(C, Self) -> F) -> Result<BoundJob<F>, DataError>
    where
        C: ContextParameter + 'static,
        F: 'static;
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Send + 'static> JobData for T {
    fn bind<C, F>(json: &Json, job: fn(C, Self) -> F) -> Result<BoundJob<F>, DataError>
    where
        C: ContextParameter + 'static,
        F: 'static,
    {
        let value: T = data::decode(json)?;
        Ok(BoundJob(Box::new(move |context| job(C::from_context(context), value))))
    }
}

/// The function of a job with its data, which lacks only the context.
pub struct BoundJob<F>(Box<dyn FnOnce(JobContext) -> F + Send>);

impl<F> fmt::Debug for BoundJob<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundJob")
    }
}

/// A type that can be the result of a job.
///
/// Every type that implements `serde::Serialize`, and is `Send` and `'static`.
///
/// ```
/// fn check<O: chutes::data::JobResultValue>() {}
///
/// check::<()>();
/// check::<Option<std::path::PathBuf>>();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a job",
    label = "this type does not implement `JobResultValue`",
    note = "add `#[derive(serde::Serialize)]` to it; it must be `Send`, and own what it has"
)]
pub trait JobResultValue: Serialize + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + Send + 'static> JobResultValue for T {}

/// A type that can be the error of a job.
///
/// Every type that converts into [`JobError`], and is `Send` and `'static`.
///
/// ```
/// use chutes::data::JobFailure;
///
/// assert_eq!("the disk is full".into_job_error().to_string(), "the disk is full");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a job",
    label = "this type does not convert into `JobError`",
    note = "errors that are `Send`, `Sync` and `'static` convert into `JobError`, and so do `String` and `&str`"
)]
pub trait JobFailure: Send + 'static {
    /// Converts the error.
    fn into_job_error(self) -> JobError;
}

#[diagnostic::do_not_recommend]
impl<E: Into<JobError> + Send + 'static> JobFailure for E {
    fn into_job_error(self) -> JobError {
        self.into()
    }
}

/// The return type of a job: a `Result`.
///
/// ```
/// use chutes::JobError;
/// use chutes::data::JobReturn;
///
/// let returned: Result<u32, JobError> = Ok::<u32, std::io::Error>(3).into_result();
/// assert!(returned.is_ok_and(|value| value == 3));
/// ```
#[diagnostic::on_unimplemented(
    message = "a job cannot return `{Self}`",
    label = "expected `Result<R, E>`",
    note = "a job returns `Result<R, E>` where `R: JobResultValue` and `E: Into<JobError>`"
)]
pub trait JobReturn: Sized {
    /// The type of the value.
    type Value: JobResultValue;

    /// The result, with its error converted.
    fn into_result(self) -> Result<Self::Value, JobError>;

    /// Forgets the types of a job whose function returns this.
    #[doc(hidden)]
    fn prepare<F>(job: Result<BoundJob<F>, DataError>) -> Result<PreparedJob, DataError>
    where
        F: Future<Output = Self> + Send + 'static,
    {
        job.map(erase)
    }
}

impl<R: JobResultValue, E: JobFailure> JobReturn for Result<R, E> {
    type Value = R;

    fn into_result(self) -> Result<R, JobError> {
        self.map_err(JobFailure::into_job_error)
    }
}

/// The return type of a startup hook: a `Result` whose value becomes state.
#[diagnostic::on_unimplemented(
    message = "a startup hook cannot return `{Self}`",
    label = "expected `Result<S, E>`",
    note = "a startup hook returns `Result<S, E>` where `S: Send + Sync + 'static` and `E: Into<JobError>`"
)]
pub trait HookReturn: Send + 'static {
    /// The type of the state.
    type State: Send + Sync + 'static;

    /// The result, with its error converted.
    fn into_result(self) -> Result<Self::State, JobError>;
}

impl<S: Send + Sync + 'static, E: JobFailure> HookReturn for Result<S, E> {
    type State = S;

    fn into_result(self) -> Result<S, JobError> {
        self.map_err(JobFailure::into_job_error)
    }
}

/// The return type of a shutdown hook: a `Result` without a value.
#[diagnostic::on_unimplemented(
    message = "a shutdown hook cannot return `{Self}`",
    label = "expected `Result<(), E>`",
    note = "a shutdown hook returns `Result<(), E>` where `E: Into<JobError>`"
)]
pub trait ShutdownReturn: Send + 'static {
    /// The result, with its error converted.
    fn into_result(self) -> Result<(), JobError>;
}

impl<E: JobFailure> ShutdownReturn for Result<(), E> {
    fn into_result(self) -> Result<(), JobError> {
        self.map_err(JobFailure::into_job_error)
    }
}

/// Binds the function of a job without data.
pub fn bind_without_data<C, F>(json: &Json, job: fn(C) -> F) -> Result<BoundJob<F>, DataError>
where
    C: ContextParameter + 'static,
    F: 'static,
{
    data::expect_none(json)?;
    Ok(BoundJob(Box::new(move |context| job(C::from_context(context)))))
}

fn erase<R, F>(BoundJob(start): BoundJob<F>) -> PreparedJob
where
    R: JobReturn,
    F: Future<Output = R> + Send + 'static,
{
    let start = move |context| -> BoxFuture<Result<Json, WorkError>> {
        // The function is called inside the future, so that a panic before the first `.await` is caught, too.
        Box::pin(async move {
            let returned = user_code(start(context)).await;
            let value = returned.into_result().map_err(|error| WorkError::Job(error.into()))?;
            result::to_json(&value).map_err(WorkError::Result)
        })
    };
    PreparedJob { start: Box::new(start) }
}

/// Starts a startup hook.
pub fn startup<C, R, F>(
    context: JobContext,
    hook: impl FnOnce(C) -> F + Send + 'static,
) -> HookFuture<StateValue>
where
    C: HookParameter,
    R: HookReturn,
    F: Future<Output = R> + Send + 'static,
{
    HookFuture(Box::pin(async move {
        let state = user_code(hook(C::from_context(context))).await.into_result()?;
        Ok(StateValue::new(state))
    }))
}

/// Starts a shutdown hook.
pub fn shutdown<C, R, F>(
    context: JobContext,
    hook: impl FnOnce(C) -> F + Send + 'static,
) -> HookFuture<()>
where
    C: HookParameter,
    R: ShutdownReturn,
    F: Future<Output = R> + Send + 'static,
{
    HookFuture(Box::pin(async move {
        Ok(user_code(hook(C::from_context(context))).await.into_result()?)
    }))
}
