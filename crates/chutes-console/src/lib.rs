//! What people see of a run in a terminal, and the parts of command lines that ask for one.
//!
//! This is an internal component of chutes, without a promise of stability. The command line of a job binary
//! and the command `chutes` stand on it: both take their arguments with these structs, run an attempt in a
//! [`Session`], and report a [`Problem`] in the same way. It has no command of its own but [`recover()`] and
//! [`runs()`], it knows no job and no registry, and it does not supervise: that is `chutes-supervisor`.
//!
//! | part | what is in it |
//! |---|---|
//! | [`main`] | a program: its command line is parsed, its command executed, its exit code returned |
//! | [`Session`] | one attempt in the foreground: what happens is shown, signals cancel it, its end is reported |
//! | [`recover()`] | the command that takes interrupted runs to their outcome |
//! | [`runs()`] | the commands that find runs again: `ps`, `show`, `logs` |
//! | [`RequestArgument`], [`VolumeArguments`], [`AccessArguments`], [`ReportArguments`] | arguments that commands share |
//! | [`read_spec`], [`check_spec`], [`read_file`], [`read_bounded`] | text of bounded size, from a file or from standard input |
//! | [`Columns`], [`write_wrapped`], [`json_line`], [`print()`] | what a command prints on standard output |
//!
//! Messages, the display of a run and its report go to standard error; standard output has data only.
//!
//! ```no_run
//! use chutes_console::{CommandResult, ReportArguments, Session, read_spec, run_directory};
//! use chutes_core::RunRequest;
//! use chutes_supervisor::Supervisor;
//! use chutes_supervisor::worker::{ProcessStarter, Program};
//! use clap::{CommandFactory, Parser};
//!
//! /// Runs a job of this binary as a spec says
//! #[derive(Parser)]
//! struct Arguments {
//!     spec: String,
//!     #[command(flatten)]
//!     report: ReportArguments,
//! }
//!
//! fn run(arguments: Arguments) -> CommandResult {
//!     let (spec, run_id) = (read_spec(&arguments.spec)?, Supervisor::new_id());
//!     let title = spec.target().to_string();
//!     let directory = run_directory(None, &title, run_id);
//!     let attempt = Supervisor::new(RunRequest::new(run_id, spec, directory));
//!     let session = Session { title, command: "run", report: arguments.report };
//!     session.run(attempt, |output| ProcessStarter { program: Program::This, output })
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     chutes_console::main(Arguments::command(), run)
//! }
//! ```

mod arguments;
mod detach;
mod events;
mod input;
mod problem;
mod program;
mod recover;
mod result_target;
mod runs;
mod session;
mod signals;
mod stdout;
mod terminal;

pub use self::arguments::{
    AccessArguments, EXIT_CODES, RecoverArguments, ReportArguments, RequestArgument,
    VolumeArguments, log_cap, memory_size, size,
};
pub use self::detach::in_memory;
pub use self::input::{check_spec, read_bounded, read_file, read_spec};
pub use self::problem::Problem;
pub use self::program::{CommandResult, main};
pub use self::recover::recover;
pub use self::runs::{RunsCommand, runs};
pub use self::session::{Session, run_directory};
pub use self::stdout::{json_line, print};
pub use self::terminal::{Columns, Row, limit_text, stdout_width, write_wrapped};
