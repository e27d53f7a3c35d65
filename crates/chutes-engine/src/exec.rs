//! Further commands in a container that runs, each an `exec` of the engine.

mod connection;
mod frames;

use bollard::exec::ResizeExecOptions;
use bollard::models::ExecConfig;
use futures_util::future::BoxFuture;

pub use self::connection::ExecStreams;
pub use self::frames::{copy_frames, copy_plain};
use super::container::process_id;
use super::{Engine, EngineError};

/// A command to run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecRequest {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Variables besides those of the container, each as `NAME=VALUE`.
    pub env: Vec<String>,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// Whether its input is connected.
    pub stdin: bool,
    /// Whether its standard error is connected.
    pub stderr: bool,
}

/// The state of a command, as far as the engine reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExecState {
    /// Whether it runs; `None` when the engine does not say.
    pub running: Option<bool>,
    /// Its exit code.
    pub exit_code: Option<i64>,
    /// Its process, as the machine of the engine counts them.
    pub pid: Option<i32>,
}

impl Engine {
    /// Prepares a command in a container. Returns its id.
    #[must_use = "nothing happens before it is awaited"]
    pub fn create_exec<'a>(
        &'a self,
        container: &'a str,
        request: ExecRequest,
    ) -> BoxFuture<'a, Result<String, EngineError>> {
        Box::pin(async move {
            let ExecRequest { command, env, terminal, stdin, stderr } = request;
            let config = ExecConfig {
                cmd: Some(command),
                env: Some(env),
                tty: Some(terminal),
                attach_stdin: Some(stdin),
                attach_stdout: Some(true),
                attach_stderr: Some(stderr),
                ..ExecConfig::default()
            };
            let created = self.docker.create_exec(container, config).await;
            Ok(created.map_err(|error| self.failed("begin a session", &error))?.id)
        })
    }

    /// Starts a command that was prepared, and connects its streams. A terminal has this width and height, in
    /// characters, from the start.
    #[must_use = "nothing happens before it is awaited"]
    pub fn start_exec<'a>(
        &'a self,
        id: &'a str,
        terminal: Option<(u16, u16)>,
    ) -> BoxFuture<'a, std::io::Result<ExecStreams>> {
        Box::pin(async move { connection::start(&self.address(), id, terminal).await })
    }

    /// The state of a command.
    #[must_use = "nothing happens before it is awaited"]
    pub fn inspect_exec<'a>(
        &'a self,
        id: &'a str,
    ) -> BoxFuture<'a, Result<ExecState, EngineError>> {
        Box::pin(async move {
            let about = self.docker.inspect_exec(id).await;
            let about = about.map_err(|error| self.failed("look for the session", &error))?;
            let pid = process_id(about.pid);
            Ok(ExecState { running: about.running, exit_code: about.exit_code, pid })
        })
    }

    /// Sets the size of the terminal of a command.
    #[must_use = "nothing happens before it is awaited"]
    pub fn resize_exec<'a>(
        &'a self,
        id: &'a str,
        columns: u16,
        rows: u16,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let size = ResizeExecOptions { height: rows, width: columns };
            let resized = self.docker.resize_exec(id, size).await;
            resized.map_err(|error| self.failed("resize the terminal", &error))
        })
    }
}
