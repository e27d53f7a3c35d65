//! How the worker process of a run is started.

use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use chutes_core::{JobName, RunId, SecretPairs, Work};
use chutes_process::{PRIVATE_VARIABLES, RUN_ID_VARIABLE, this_program};

use super::protocol::{SetupFrame, VERSION};
use super::{Answer, ProcessWorker, RunParameters, StartWorker, Worker, WorkerContext};
use crate::logs::LogCap;
use crate::output::{Output, Show};

/// The first argument of a worker process, which is started by a supervisor only.
pub const WORKER_ARGUMENT: &str = "__worker";

/// How the output of a worker is kept and shown.
pub struct OutputSettings {
    /// How many bytes of each stream are kept.
    pub log_cap: LogCap,
    /// Shows standard output.
    pub stdout: Show,
    /// Shows standard error.
    pub stderr: Show,
}

impl OutputSettings {
    /// Output that is kept up to the usual cap and shown nowhere.
    #[must_use]
    pub fn hidden() -> Self {
        Self { log_cap: LogCap::default(), stdout: Box::new(|_| ()), stderr: Box::new(|_| ()) }
    }
}

impl fmt::Debug for OutputSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutputSettings").field("log_cap", &self.log_cap).finish_non_exhaustive()
    }
}

/// The program that contains the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Program {
    /// This program, even if its file was replaced or removed.
    This,
    /// The job binary at this path.
    At(PathBuf),
}

/// Starts a worker process.
///
/// The kernel kills the worker when the thread that started it ends, so the thread has to live as long as the
/// attempt: the main thread, or one of a runtime that is not shut down before.
#[derive(Debug)]
pub struct ProcessStarter {
    /// The program that contains the job. Its `main` must be that of the command line of job binaries.
    pub program: Program,
    /// How its output is kept and shown.
    pub output: OutputSettings,
}

impl StartWorker for ProcessStarter {
    fn start(
        self: Box<Self>,
        context: WorkerContext,
    ) -> Answer<'static, io::Result<Box<dyn Worker>>> {
        Box::pin(async move {
            let Work::Job { job, .. } = &context.work else {
                return Err(io::Error::other("an image needs a container"));
            };
            let (job, logs) = (job.clone(), context.logs()?);
            let events = context.events.clone();
            let settings = self.output;
            let output = |out, err| Output::start((out, err), settings, &logs, &events);
            let worker = ProcessWorker::start(&self.program, &job, context, output).await?;
            Ok(Box::new(worker) as Box<dyn Worker>)
        })
    }
}

/// The command of a worker, in a process group of its own, so that Ctrl-C on a terminal signals only the
/// supervisor.
pub(super) fn command(program: &Program, run_id: RunId, env: &SecretPairs) -> io::Result<Command> {
    let mut command = match program {
        Program::This => this_program()?,
        Program::At(path) => Command::new(path),
    };
    command.envs(env.reveal().iter().map(|(name, value)| (name, value)));
    command.arg(WORKER_ARGUMENT).env(RUN_ID_VARIABLE, run_id.to_string()).process_group(0);
    for name in PRIVATE_VARIABLES {
        command.env_remove(name);
    }
    Ok(command)
}

impl SetupFrame {
    pub(super) fn new(job: &JobName, run: RunParameters) -> Self {
        Self {
            version: VERSION,
            supervisor: rustix::process::getpid().as_raw_pid(),
            run_id: run.run_id,
            job: job.clone(),
            data: run.data,
            directory: run.directory.root().as_os_str().as_bytes().to_vec(),
            ports: run.ports,
            attempt: run.attempt,
        }
    }
}
