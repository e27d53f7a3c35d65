//! User code in this process: tasks on a tokio runtime.

use std::time::Duration;

use chutes_core::{FailureKind, Progress};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use super::Force;
use super::session::{Session, Setup};
use super::step::{Step, StepFailure, StepResult};
use crate::registry::Job;

/// How long a task that is aborted may take to notice. One that takes longer never yields.
pub(super) const ABORT_TIME: Duration = Duration::from_millis(500);

/// User code as tasks of this process. A task that never yields cannot be removed.
pub(crate) struct LocalWorker {
    session: Session,
    runtime: Handle,
    task: Option<JoinHandle<StepResult>>,
}

impl LocalWorker {
    pub(crate) fn new(job: Job, setup: Setup, runtime: Handle) -> Self {
        Self { session: Session::new(job, setup), runtime, task: None }
    }

    pub(crate) fn begin(&mut self, step: Step) {
        self.task = Some(self.runtime.spawn(self.session.start(step)));
    }

    pub(crate) async fn ended(&mut self) -> StepResult {
        let Some(task) = &mut self.task else { return std::future::pending().await };
        let joined = task.await;
        self.task = None;
        joined.unwrap_or_else(|error| Err(lost(&error)))
    }

    pub(crate) fn cancel(&self) {
        self.session.cancel();
    }

    /// Ends the step at its next `.await`, if it has one.
    pub(crate) async fn force(&mut self) -> Force {
        let Some(task) = self.task.take() else { return Force::Aborted };
        task.abort();
        let noticed = timeout(ABORT_TIME, task).await.is_ok();
        if noticed { Force::Aborted } else { Force::LeftBehind }
    }

    pub(crate) fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.session.progress()
    }
}

/// The code of a step catches its panics, so only a runtime that is shut down gets here.
fn lost(error: &JoinError) -> StepFailure {
    StepFailure::new(FailureKind::Platform, format!("its task ended early: {error}"))
}
