//! The user code of one run, step by step, the same in this process and in a worker process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chutes_core::{FailureKind, Json, Progress, user_text};
use chutes_supervisor::check_size;
use chutes_supervisor::worker::{Hooks, RunParameters, Step, StepFailure, StepResult};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::subscriber;
use crate::context::{Inner, JobContext};
use crate::definition::{BoxFuture, PreparedJob, WorkError};
use crate::error::ErrorText;
use crate::port::RunPorts;
use crate::registry::{self, Job};
use crate::run::panic::{CatchPanic, CaughtPanic};
use crate::state::State;

/// The hooks of this binary.
pub(crate) fn hooks() -> Hooks {
    Hooks {
        startup: registry::startup_hooks().iter().map(|hook| hook.name.to_owned()).collect(),
        shutdown: registry::shutdown_hooks().iter().map(|hook| hook.name.to_owned()).collect(),
    }
}

/// The user code of one run.
pub(crate) struct Session {
    job: Job,
    context: JobContext,
    progress: watch::Receiver<Option<Progress>>,
    prepared: Arc<Mutex<Option<PreparedJob>>>,
    /// Whether chutes has set the subscriber for `tracing` of this process.
    has_our_subscriber: bool,
}

impl Session {
    pub(crate) fn new(job: Job, run: RunParameters) -> Self {
        let (sender, progress) = watch::channel(None);
        let context = JobContext::new(Inner {
            run_id: run.run_id,
            job: job.name().clone(),
            directory: run.directory,
            data: run.data,
            ports: RunPorts::new(run.ports),
            attempt: run.attempt,
            cancellation: CancellationToken::new(),
            progress: sender,
            deadline: OnceLock::new(),
            state: State::default(),
        });
        Self { job, context, progress, prepared: Arc::default(), has_our_subscriber: false }
    }

    /// The same in a process whose subscriber for `tracing` was set by chutes, or was not.
    pub(crate) fn with_our_subscriber(self, has_our_subscriber: bool) -> Self {
        Self { has_our_subscriber, ..self }
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.progress.clone()
    }

    /// The indices of the ports that user code has opened by its context.
    pub(crate) fn opened_ports(&self) -> watch::Receiver<BTreeSet<usize>> {
        self.context.inner().ports.opened()
    }

    pub(crate) fn cancel(&self) {
        self.context.inner().cancellation.cancel();
    }

    /// The code of a step. It never panics.
    pub(crate) fn start(&self, step: Step) -> BoxFuture<StepResult> {
        let code = match step {
            Step::Decode => self.decode(),
            Step::Startup(at) => self.startup(at),
            Step::Job { time_left } => self.job(time_left),
            Step::Shutdown(at) => self.shutdown(at),
            Step::Prepare => unknown(),
        };
        let caught = CatchPanic::new(code);
        let has_our_subscriber = self.has_our_subscriber;
        Box::pin(async move {
            let result = caught.await.unwrap_or_else(|panic| Err(panicked(panic)));
            result.map_err(|failure| {
                let failure = failure.bounded();
                if has_our_subscriber { subscriber::explained(failure) } else { failure }
            })
        })
    }

    fn decode(&self) -> BoxFuture<StepResult> {
        let (job, context) = (self.job.clone(), self.context.clone());
        let prepared = Arc::clone(&self.prepared);
        Box::pin(async move {
            let job = job.prepare(context.data());
            let job =
                job.map_err(|error| StepFailure::new(FailureKind::InvalidData, error.to_string()))?;
            *prepared.lock().unwrap_or_else(PoisonError::into_inner) = Some(job);
            Ok(Json::null())
        })
    }

    fn startup(&self, at: usize) -> BoxFuture<StepResult> {
        let Some(hook) = registry::startup_hooks().get(at).copied() else { return unknown() };
        let context = self.context.clone();
        Box::pin(async move {
            let kind = FailureKind::StartupFailed;
            let state = (hook.run)(context.clone()).0.await.map_err(|error| failed(kind, error))?;
            let inserted = context.inner().state.insert(hook.name, state);
            inserted.map_err(|conflict| StepFailure::new(kind, conflict.to_string()))?;
            Ok(Json::null())
        })
    }

    fn job(&self, time_left: Option<Duration>) -> BoxFuture<StepResult> {
        let prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(job) = prepared else { return unknown() };
        let deadline = time_left.and_then(|left| Instant::now().checked_add(left));
        if let Some(deadline) = deadline {
            // The cell is empty: it is set only here, and a job starts once.
            let _ = self.context.inner().deadline.set(deadline);
        }
        let returned = (job.start)(self.context.clone());
        Box::pin(async move {
            let result = returned.await.map_err(|error| match error {
                WorkError::Job(error) => failed(FailureKind::JobError, error),
                WorkError::Result(error) => StepFailure {
                    causes: user_text::causes(&error),
                    ..StepFailure::new(FailureKind::InvalidResult, error.to_string())
                },
            })?;
            check_size(&result)
                .map_err(|error| StepFailure::new(FailureKind::InvalidResult, error.to_string()))?;
            Ok(result)
        })
    }

    fn shutdown(&self, at: usize) -> BoxFuture<StepResult> {
        let Some(hook) = registry::shutdown_hooks().get(at).copied() else { return unknown() };
        let code = (hook.run)(self.context.clone()).0;
        Box::pin(async move {
            code.await.map_err(|error| failed(FailureKind::JobError, error))?;
            Ok(Json::null())
        })
    }
}

fn failed(kind: FailureKind, error: ErrorText) -> StepFailure {
    StepFailure { causes: error.causes, ..StepFailure::new(kind, error.message) }
}

fn panicked(panic: CaughtPanic) -> StepFailure {
    let location = panic.location;
    StepFailure { location, ..StepFailure::new(FailureKind::Panic, panic.message) }
}

/// The failure of an unknown step. A supervisor of the same binary orders only existing hooks, the job only after its
/// data, and no image, so this is never reached.
fn unknown() -> BoxFuture<StepResult> {
    let failure = StepFailure::new(FailureKind::Platform, "the worker does not know this step");
    Box::pin(async { Err(failure) })
}
