//! User code in this process: tasks on a tokio runtime.

use std::future::ready;
use std::io;

use chutes_core::{FailureKind, Progress};
use chutes_supervisor::worker::{
    ABORT_TIME, Answer, Force, Hooks, RunParameters, StartWorker, Step, StepExit, StepFailure,
    StepResult, Worker, WorkerContext,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use super::session::{self, Session};
use crate::registry::Job;

/// Starts user code as tasks of this process.
#[derive(Debug)]
pub(crate) struct LocalStarter {
    /// The job.
    pub(crate) job: Job,
    /// The runtime for user code; `None` is that of the supervisor.
    pub(crate) runtime: Option<Handle>,
}

impl StartWorker for LocalStarter {
    fn is_isolated(&self) -> bool {
        false
    }

    fn start(
        self: Box<Self>,
        context: WorkerContext,
    ) -> Answer<'static, io::Result<Box<dyn Worker>>> {
        Box::pin(async move {
            let runtime = self.runtime.unwrap_or_else(Handle::current);
            Ok(Box::new(LocalWorker::new(self.job, context.run, runtime)) as Box<dyn Worker>)
        })
    }
}

/// User code as tasks of this process. A task that never yields cannot be removed.
struct LocalWorker {
    session: Session,
    runtime: Handle,
    task: Option<JoinHandle<StepResult>>,
}

impl LocalWorker {
    fn new(job: Job, run: RunParameters, runtime: Handle) -> Self {
        Self { session: Session::new(job, run), runtime, task: None }
    }
}

impl Worker for LocalWorker {
    fn begin(&mut self, step: Step) -> Answer<'_, ()> {
        self.task = Some(self.runtime.spawn(self.session.start(step)));
        Box::pin(ready(()))
    }

    fn ended(&mut self) -> Answer<'_, StepExit> {
        Box::pin(async {
            let Some(task) = &mut self.task else { return std::future::pending().await };
            let joined = task.await;
            self.task = None;
            StepExit::Finished(joined.unwrap_or_else(|error| Err(lost(&error))))
        })
    }

    fn cancel(&mut self) -> Answer<'_, ()> {
        self.session.cancel();
        Box::pin(ready(()))
    }

    /// Ends the step at its next `.await`, if it reaches one.
    fn force(&mut self, _urgent: bool) -> Answer<'_, Force> {
        Box::pin(async {
            let Some(task) = self.task.take() else { return Force::Aborted };
            task.abort();
            let noticed = timeout(ABORT_TIME, task).await.is_ok();
            if noticed { Force::Aborted } else { Force::LeftBehind }
        })
    }

    fn hooks(&self) -> Hooks {
        session::hooks()
    }

    fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.session.progress()
    }
}

/// The failure of a step whose task was lost: since a step catches its panics, its runtime was shut down.
fn lost(error: &JoinError) -> StepFailure {
    StepFailure::new(FailureKind::Platform, format!("its task ended early: {error}"))
}
