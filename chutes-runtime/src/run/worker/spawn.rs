//! How the worker process of a run is started.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use chutes_core::{RunId, SecretPairs};

use super::protocol::{SetupFrame, VERSION};
use super::session::Setup;
use crate::logs::LogCap;
use crate::process::{PRIVATE_VARIABLES, RUN_ID_VARIABLE, this_program};
use crate::registry::Job;
use crate::run::output::Show;

/// The first argument of a worker process. Nobody types it.
pub(crate) const WORKER_ARGUMENT: &str = "__worker";

/// What becomes of the output of a worker process.
pub(crate) struct Spawn {
    /// How much of each stream is kept.
    pub(crate) log_cap: LogCap,
    pub(crate) stdout: Show,
    pub(crate) stderr: Show,
}

/// The same binary again, whatever has become of its file, in a process group of its own: Ctrl-C on a
/// terminal is for the supervisor alone.
pub(super) fn command(run_id: RunId, env: &SecretPairs) -> io::Result<Command> {
    let mut command = this_program()?;
    command.envs(env.reveal().iter().map(|(name, value)| (name, value)));
    command.arg(WORKER_ARGUMENT).env(RUN_ID_VARIABLE, run_id.to_string()).process_group(0);
    for name in PRIVATE_VARIABLES {
        command.env_remove(name);
    }
    Ok(command)
}

impl SetupFrame {
    pub(super) fn new(job: &Job, setup: Setup) -> Self {
        Self {
            version: VERSION,
            supervisor: rustix::process::getpid().as_raw_pid(),
            run_id: setup.run_id,
            job: job.name().clone(),
            data: setup.data,
            directory: setup.directory.root().as_os_str().as_bytes().to_vec(),
            ports: setup.ports,
            attempt: setup.attempt,
        }
    }
}
