//! Where user code runs: in this process, in one of its own, or in a container.
//!
//! User code runs in steps: the data are decoded, startup hooks run, then the job, then shutdown hooks.
//! The supervisor says which step is next and when it has to end; a worker carries it out.

#[cfg_attr(
    not(feature = "command-line"),
    expect(dead_code, reason = "only the command line uses it")
)]
pub(crate) mod child;
#[cfg(feature = "container")]
pub(crate) mod container;
mod local;
mod process;
mod protocol;
mod resources;
mod session;
mod spawn;
mod step;

use chutes_core::Progress;
use chutes_ports::{Connector, SocketOwner};
use tokio::sync::watch;

#[cfg(feature = "container")]
pub(crate) use self::container::{ContainerSetup, ContainerWorker};
pub(crate) use self::local::LocalWorker;
pub(crate) use self::process::ProcessWorker;
#[cfg(feature = "fuzzing")]
pub(crate) use self::protocol::fuzz as fuzz_frames;
pub(crate) use self::session::Setup;
pub(crate) use self::spawn::Spawn;
#[cfg(feature = "command-line")]
pub(crate) use self::spawn::WORKER_ARGUMENT;
pub(crate) use self::step::{Step, StepFailure, StepResult};
use crate::process::Death;

/// The one worker of a run.
pub(crate) enum Worker {
    /// Tasks on a runtime of this process.
    Local(LocalWorker),
    /// A process of its own.
    Process(Box<ProcessWorker>),
    /// A container.
    #[cfg(feature = "container")]
    Container(Box<ContainerWorker>),
}

/// How a step came to an end by itself, or took its worker with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StepEnd {
    /// It returned, failed or panicked.
    Finished(StepResult),
    /// The process or the container in which it ran is gone.
    Died(Death),
}

/// What it took to end a step by force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Force {
    /// It ended at its next `.await`; the worker goes on.
    Aborted,
    /// Its process or container was killed, and all that it had started.
    Killed,
    /// Nothing: it never yields, and runs in this process.
    LeftBehind,
}

impl Force {
    /// What was done to it.
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::Aborted => "stopped",
            Self::Killed => "killed",
            Self::LeftBehind => "left behind",
        }
    }
}

impl Worker {
    /// Begins a step. The one before has ended.
    pub(crate) async fn begin(&mut self, step: Step) {
        match self {
            Self::Local(worker) => worker.begin(step),
            Self::Process(worker) => worker.begin(step).await,
            #[cfg(feature = "container")]
            Self::Container(worker) => worker.begin(step),
        }
    }

    /// Waits for the end of the step that was begun. May be dropped and called again.
    pub(crate) async fn ended(&mut self) -> StepEnd {
        match self {
            Self::Local(worker) => StepEnd::Finished(worker.ended().await),
            Self::Process(worker) => worker.ended().await,
            #[cfg(feature = "container")]
            Self::Container(worker) => worker.ended().await,
        }
    }

    /// Tells user code to stop: from now on its context is cancelled.
    pub(crate) async fn cancel(&mut self) {
        match self {
            Self::Local(worker) => worker.cancel(),
            Self::Process(worker) => worker.cancel().await,
            #[cfg(feature = "container")]
            Self::Container(worker) => worker.cancel(),
        }
    }

    /// Ends the step by force. When it is urgent, nothing that takes time is tried first.
    pub(crate) async fn force(&mut self, urgent: bool) -> Force {
        match self {
            Self::Local(worker) => worker.force().await,
            Self::Process(worker) => worker.force(urgent).await,
            #[cfg(feature = "container")]
            Self::Container(worker) => worker.force().await,
        }
    }

    /// Whether it can carry out another step.
    pub(crate) fn is_alive(&self) -> bool {
        match self {
            Self::Local(_) => true,
            Self::Process(worker) => worker.is_alive(),
            #[cfg(feature = "container")]
            Self::Container(worker) => worker.is_alive(),
        }
    }

    /// How this process reaches what the job serves.
    pub(crate) fn connector(&self) -> Connector {
        match self {
            Self::Local(_) | Self::Process(_) => Connector::Here,
            #[cfg(feature = "container")]
            Self::Container(worker) => worker.connector(),
        }
    }

    /// Which sockets are those of the job, if they can be told from others.
    pub(crate) fn socket_owner(&self) -> Option<SocketOwner> {
        match self {
            Self::Local(_) => None,
            Self::Process(worker) => Some(worker.socket_owner()),
            #[cfg(feature = "container")]
            Self::Container(worker) => Some(worker.socket_owner()),
        }
    }

    /// The newest report of the job.
    pub(crate) fn progress(&self) -> watch::Receiver<Option<Progress>> {
        match self {
            Self::Local(worker) => worker.progress(),
            Self::Process(worker) => worker.progress(),
            #[cfg(feature = "container")]
            Self::Container(worker) => worker.progress(),
        }
    }

    /// The memory that user code has in use, in bytes, if that can be told.
    pub(crate) fn memory(&self) -> Option<Box<dyn Fn() -> Option<u64> + Send>> {
        match self {
            Self::Local(_) => None,
            Self::Process(worker) => Some(worker.memory()),
            #[cfg(feature = "container")]
            Self::Container(worker) => Some(worker.memory()),
        }
    }

    /// Ends the worker and everything that it has started, and waits until all of its output is kept.
    /// Returns warnings.
    pub(crate) async fn finish(self) -> Vec<String> {
        match self {
            Self::Local(_) => Vec::new(),
            Self::Process(worker) => worker.finish().await,
            #[cfg(feature = "container")]
            Self::Container(worker) => worker.finish().await,
        }
    }
}
