//! The frame of a program: its command line is parsed, its command executed, its exit code returned.

use chutes_core::ExitCode;

use crate::problem::Problem;
use crate::terminal::Paint;

/// The exit code of a command, or why it could not be carried out.
pub type CommandResult = Result<ExitCode, Problem>;

/// Parses the arguments of the process, executes their command, and returns the exit code of the process.
///
/// Help and the version go to standard output with exit code 0. Arguments that cannot be parsed, and the
/// [`Problem`] of a command, go to standard error; the exit code is then 2, or that of the problem. When an SSH
/// session has started the process, it serves files instead, and nothing is parsed.
///
/// ```no_run
/// use chutes_console::{CommandResult, print};
/// use chutes_core::ExitCode;
/// use clap::Parser;
///
/// /// Greets
/// #[derive(Parser)]
/// struct Arguments {
///     name: String,
/// }
///
/// fn greet(arguments: Arguments) -> CommandResult {
///     print(&format!("hello, {}\n", arguments.name))?;
///     Ok(ExitCode::COMPLETED)
/// }
///
/// fn main() -> std::process::ExitCode {
///     chutes_console::main(Arguments::try_parse, greet)
/// }
/// ```
pub fn main<A>(
    parse: impl FnOnce() -> Result<A, clap::Error>,
    execute: impl FnOnce(A) -> CommandResult,
) -> std::process::ExitCode {
    if let Some(code) = chutes_supervisor::serve_files() {
        return code;
    }
    let done = match parse() {
        Ok(arguments) => execute(arguments),
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
