//! The static definitions of jobs and hooks that the attributes register.

use std::any::{Any, TypeId};
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use chutes_core::{Json, Protocol, SourceLocation};

use crate::context::JobContext;
use crate::data::DataError;
use crate::error::ErrorText;
use crate::result::ResultError;
use crate::schema::TypeSchema;

/// A future that may move between threads.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// The future of a hook.
pub struct HookFuture<T>(pub(crate) BoxFuture<Result<T, ErrorText>>);

impl<T> fmt::Debug for HookFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HookFuture")
    }
}

/// A job as `#[job]` registers it. [`Registry`](crate::Registry) validates it and builds a [`Job`](crate::Job).
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the attribute and of `JobContract`")]
pub struct JobDefinition {
    pub name: &'static str,
    pub summary: &'static str,
    pub ports: &'static [DeclaredPort],
    pub timeout_seconds: Option<u64>,
    pub upload: bool,
    pub ssh: bool,
    pub source: SourceLocation,
    pub prepare: fn(&Json) -> Result<PreparedJob, DataError>,
    pub data_schema: fn() -> TypeSchema,
    pub result_schema: fn() -> TypeSchema,
}

inventory::collect!(JobDefinition);

/// A port as `#[job]` registers it, without the one that `ssh = true` adds.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are those of `Port`")]
pub struct DeclaredPort {
    pub name: &'static str,
    pub number: u16,
    pub protocol: Protocol,
    pub ready: Option<&'static str>,
}

/// A job together with its decoded data, ready to start.
pub struct PreparedJob {
    pub(crate) start: Box<dyn FnOnce(JobContext) -> BoxFuture<Result<Json, WorkError>> + Send>,
}

impl fmt::Debug for PreparedJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedJob").finish_non_exhaustive()
    }
}

/// Why the function of a job has no result.
#[derive(Debug)]
pub(crate) enum WorkError {
    /// The function returned an error.
    Job(ErrorText),
    /// The function returned a value that cannot be written as JSON.
    Result(ResultError),
}

impl fmt::Display for WorkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(error) => error.fmt(f),
            Self::Result(error) => error.fmt(f),
        }
    }
}

/// A hook as `#[on_startup]` registers it.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the attribute")]
pub struct StartupHook {
    pub name: &'static str,
    pub priority: i32,
    pub source: SourceLocation,
    pub run: fn(JobContext) -> HookFuture<StateValue>,
}

inventory::collect!(StartupHook);

/// A hook as `#[on_shutdown]` registers it.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are those of the attribute")]
pub struct ShutdownHook {
    pub name: &'static str,
    pub priority: i32,
    pub source: SourceLocation,
    pub run: fn(JobContext) -> HookFuture<()>,
}

inventory::collect!(ShutdownHook);

/// The value that a startup hook returned; the job finds it by its type.
pub struct StateValue {
    pub(crate) id: TypeId,
    pub(crate) type_name: &'static str,
    pub(crate) value: std::sync::Arc<dyn Any + Send + Sync>,
}

impl StateValue {
    pub(crate) fn new<S: Send + Sync + 'static>(state: S) -> Self {
        let (id, type_name) = (TypeId::of::<S>(), std::any::type_name::<S>());
        Self { id, type_name, value: std::sync::Arc::new(state) }
    }
}

impl fmt::Debug for StateValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StateValue").field(&self.type_name).finish()
    }
}
