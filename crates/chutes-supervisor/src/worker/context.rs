//! The context that a worker is started with, and the trait that starts it.

use std::io;
use std::sync::Arc;

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
use crate::logs::Logs;
use crate::logs::index::OutputIndex;

/// The parameters of a run that user code can read, and that its worker needs.
#[derive(Clone, Debug)]
pub struct RunParameters {
    /// The id of the run.
    pub run_id: RunId,
    /// The data of the job, `null` for an image.
    pub data: Json,
    /// The directory of the run.
    pub directory: RunDirectory,
    /// The addresses of the ports of the job.
    pub ports: Vec<PortAddress>,
    /// The processes of SSH sessions, which do not belong to the job.
    pub sessions: Sessions,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// Everything that a worker is started with: the parameters of the run, and the resources of the attempt.
#[derive(Debug)]
pub struct WorkerContext {
    /// The parameters of the run for user code.
    pub run: RunParameters,
    /// The environment of user code: the variables of the spec, and the addresses of the ports.
    pub env: SecretPairs,
    /// The job or the image to run.
    pub work: Work,
    /// The resources of this machine that it may use.
    pub profile: ClassProfile,
    /// The folder for artifacts, as user code sees its path.
    pub artifacts_dir: Option<ContainerPath>,
    /// Receives the events of the worker.
    pub events: EventReporter,
    output: OutputIndex,
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
            run: RunParameters {
                run_id: attempt.request.run_id,
                data: attempt.job_data(),
                directory,
                ports,
                sessions: access.sessions(),
                attempt: attempt.request.attempt.get(),
            },
            events,
            output: attempt.output.clone(),
            root,
        }
    }

    /// The folder for the output of the worker.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn logs(&self) -> io::Result<Logs> {
        Ok(Logs { folder: self.root.folder(FileKind::Log)?, index: self.output.clone() })
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

/// The variables of the spec, and those with the addresses of the ports. A variable of the spec takes precedence.
fn with_ports(env: &SecretPairs, ports: &[PortAddress]) -> SecretPairs {
    let mut pairs = variables(ports);
    pairs.retain(|(name, _)| !env.reveal().iter().any(|(given, _)| given == name));
    pairs.extend(env.reveal().iter().cloned());
    SecretPairs::new(pairs)
}
