//! What a worker is started with.

use std::io;
use std::sync::Arc;

use cap_std::fs::Dir;
use chutes_core::{
    ClassProfile, ContainerPath, EventReporter, FileKind, Json, PortAddress, RunId, SecretPairs,
    Work,
};
use chutes_ports::variables;
use chutes_process::Sessions;

use super::{Answer, Worker};
use crate::Supervisor;
use crate::access::Access;
use crate::directory::{RunDirectory, RunRoot};

/// What user code has to know of its run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The id of the run.
    pub run_id: RunId,
    /// The data of the job, `null` for an image.
    pub data: Json,
    /// The directory of the run.
    pub directory: RunDirectory,
    /// Where the ports of the job are.
    pub ports: Vec<PortAddress>,
    /// The processes of SSH sessions, which are none of the job's.
    pub sessions: Sessions,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// What a worker may use to start: what user code has to know, and what it is given by the supervisor.
#[derive(Debug)]
pub struct WorkerContext {
    /// What user code has to know.
    pub setup: Setup,
    /// The environment of user code: what the spec says, and where the ports are.
    pub env: SecretPairs,
    /// What is run.
    pub work: Work,
    /// What it may use of this machine.
    pub profile: ClassProfile,
    /// Where it leaves artifacts, as it sees the path.
    pub artifacts_dir: Option<ContainerPath>,
    /// Where it is reported what happens.
    pub events: EventReporter,
    root: Arc<RunRoot>,
}

impl WorkerContext {
    pub(crate) fn new(
        attempt: &Supervisor,
        directory: RunDirectory,
        root: Arc<RunRoot>,
        access: &Access,
        events: EventReporter,
    ) -> Self {
        let ports = access.job_ports();
        Self {
            env: with_ports(&attempt.request.spec.env, &ports),
            work: attempt.request.spec.work.clone(),
            profile: attempt.profile(),
            artifacts_dir: attempt.request.spec.artifacts_dir.clone(),
            setup: Setup {
                run_id: attempt.request.run_id,
                data: attempt.job_data(),
                directory,
                ports,
                sessions: access.sessions(),
                attempt: attempt.request.attempt.get(),
            },
            events,
            root,
        }
    }

    /// The folder for what the worker prints.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn logs(&self) -> io::Result<Dir> {
        self.root.folder(FileKind::Log)
    }
}

/// Starts the one worker of an attempt.
pub trait StartWorker: Send {
    /// Whether user code runs outside of this process.
    fn is_isolated(&self) -> bool {
        true
    }

    /// Starts the worker. It runs no user code before its first step.
    fn start(
        self: Box<Self>,
        context: WorkerContext,
    ) -> Answer<'static, io::Result<Box<dyn Worker>>>;
}

/// The variables of the job, and those that say where its ports are. What the spec says wins.
fn with_ports(env: &SecretPairs, ports: &[PortAddress]) -> SecretPairs {
    let mut pairs = variables(ports);
    pairs.retain(|(name, _)| !env.reveal().iter().any(|(given, _)| given == name));
    pairs.extend(env.reveal().iter().cloned());
    SecretPairs::new(pairs)
}
