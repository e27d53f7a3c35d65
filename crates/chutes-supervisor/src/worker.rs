//! Where user code runs: in this process, in one of its own, or in a container.
//!
//! User code runs in steps: the data are decoded, startup hooks run, then the job, then shutdown hooks.
//! The supervisor says which step is next and when it has to end; a worker carries it out.

#[cfg_attr(not(feature = "container"), path = "worker/container/absent.rs")]
pub(crate) mod container;
mod context;
mod process;
pub mod protocol;
mod resources;
mod spawn;
mod step;

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chutes_core::{FailureKind, Progress, Usage};
use chutes_ports::{Connector, SocketOwner};
use chutes_process::WorkerExit;
use tokio::sync::watch;

pub use self::container::ContainerHandle;
#[cfg(feature = "container")]
pub use self::container::ContainerStarter;
pub use self::context::{RunParameters, StartWorker, WorkerContext};
use self::process::ProcessWorker;
pub use self::spawn::{OutputSettings, ProcessStarter, Program, WORKER_ARGUMENT};
pub use self::step::{Hooks, Step, StepFailure, StepResult};

/// How long a task of user code that is aborted may take to notice. One that takes longer never yields.
pub const ABORT_TIME: Duration = Duration::from_millis(500);

/// What a worker answers, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads what user code uses; `None` if that is not known. It may be called when the worker has ended: then it gives
/// the last totals.
pub type UsageReader = Arc<dyn Fn() -> Option<Usage> + Send + Sync>;

/// How a step came to an end by itself, or took its worker with it.
#[derive(Clone, Debug, PartialEq)]
pub enum StepExit {
    /// It returned, failed or panicked.
    Finished(StepResult),
    /// The process or the container in which it ran is gone.
    WorkerEnded(WorkerExit),
}

/// What it took to end a step by force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// It ended at its next `.await`; the worker goes on.
    Aborted,
    /// Its process or container was killed, and all that it had started.
    Killed,
    /// Nothing: it never yields, and runs in this process.
    LeftBehind,
}

impl Force {
    /// What was done to it.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Aborted => "stopped",
            Self::Killed => "killed",
            Self::LeftBehind => "left behind",
        }
    }
}

/// The one worker of a run: carries out one step of user code after the other.
///
/// What has a default is that of a worker within the process of the supervisor.
pub trait Worker: Send {
    /// Begins a step. The one before has ended.
    fn begin(&mut self, step: Step) -> Answer<'_, ()>;

    /// Waits for the end of the step that was begun. May be dropped and called again.
    fn ended(&mut self) -> Answer<'_, StepExit>;

    /// Asks user code to stop: from now on its context is cancelled.
    fn cancel(&mut self) -> Answer<'_, ()>;

    /// Ends the step by force. When it is urgent, nothing that takes time is tried first.
    fn force(&mut self, urgent: bool) -> Answer<'_, Force>;

    /// Whether it can carry out another step.
    fn is_alive(&self) -> bool {
        true
    }

    /// The hooks that it has, known when its first step has ended.
    fn hooks(&self) -> Hooks {
        Hooks::default()
    }

    /// Where user code runs.
    fn isolation(&self) -> Isolation {
        Isolation::None
    }

    /// How this process reaches what the job serves.
    fn connector(&self) -> Connector {
        Connector::Here
    }

    /// Which processes have the sockets of the job, if they can be distinguished from others.
    fn socket_owner(&self) -> Option<SocketOwner> {
        None
    }

    /// Whether user code has reported that it has opened a port, by its index among those of the run. It may have been
    /// open for a moment only.
    fn has_opened(&self, _port: usize) -> bool {
        false
    }

    /// The newest report of the job.
    fn progress(&self) -> watch::Receiver<Option<Progress>>;

    /// Measures what user code uses, if that is possible.
    fn usage(&self) -> Option<UsageReader> {
        None
    }

    /// Ends the worker and everything that it has started, and waits until all of its output is kept.
    /// Returns warnings.
    #[must_use]
    fn finish(self: Box<Self>) -> Answer<'static, Vec<String>> {
        Box::pin(ready(Vec::new()))
    }
}

/// Where user code runs.
#[derive(Clone, Debug)]
pub enum Isolation {
    /// In this process.
    None,
    /// In a process of its own.
    Process,
    /// In a container.
    Container(ContainerHandle),
}

/// The end of a worker that is a fault of the platform.
fn platform(message: String) -> WorkerExit {
    WorkerExit::new(FailureKind::Platform, message)
}
