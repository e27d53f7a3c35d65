//! The parts that the command `chutes` shares with job binaries. Not for other use: it may change at any time.

use std::io;

use chutes_core::{ExitCode, JobSpec};

pub use super::arguments::Recover as RecoverArguments;
pub use super::exec::ExecArguments;
pub use super::problem::Problem;
use super::terminal::Paint;

/// The exit code of a command, or why it could not be carried out.
pub type Done = Result<ExitCode, Problem>;

/// Executes a command and returns the exit code of the process.
pub fn main(command: impl FnOnce() -> Result<Done, clap::Error>) -> std::process::ExitCode {
    if let Some(code) = chutes_supervisor::serve_files() {
        return code;
    }
    let done = match command() {
        Ok(done) => done,
        Err(error) if error.use_stderr() => Err(Problem::usage(&error)),
        Err(help) => {
            // An error is ignored: the reader has closed the pipe.
            let _ = help.print();
            Ok(ExitCode::COMPLETED)
        }
    };
    let code = done.unwrap_or_else(|problem| {
        problem.print(Paint::for_stderr());
        problem.exit_code()
    });
    code.into()
}

/// Runs a spec on this machine.
pub fn exec(arguments: &ExecArguments) -> Done {
    super::exec::exec(arguments)
}

/// Recovers interrupted runs.
pub fn recover(arguments: &RecoverArguments) -> Done {
    super::recover::recover(arguments)
}

/// Reads a spec from a file, or from standard input (`-`).
pub fn read_spec(from: &str) -> Result<JobSpec, Problem> {
    super::specs::read(from)
}

/// Prints data.
pub fn print(text: &str) -> Done {
    super::to_stdout(text).map(|()| ExitCode::COMPLETED)
}

/// The problem of a value that cannot be printed.
#[must_use]
pub fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Problem {
    Problem::platform(&io::Error::other(error))
}
