//! The frame of a program: its command line is parsed, its command executed, its exit code returned.

use std::borrow::Cow;
use std::ffi::OsStr;

use chutes_core::ExitCode;
use clap::builder::Resettable;
use clap::{Command, FromArgMatches};

use crate::problem::Problem;
use crate::terminal::Paint;

/// The exit code of a command, or why it could not be carried out.
pub type CommandResult = Result<ExitCode, Problem>;

/// Parses the arguments of the process, executes their command, and returns the exit code of the process.
///
/// A variable of the environment that is set and empty counts as one that is not set.
///
/// Help and the version go to standard output with exit code 0. Arguments that cannot be parsed, and the
/// [`Problem`] of a command, go to standard error; the exit code is then 2, or that of the problem. When an SSH
/// session has started the process, it serves files instead, and nothing is parsed.
///
/// ```no_run
/// use chutes_console::{CommandResult, print};
/// use chutes_core::ExitCode;
/// use clap::{CommandFactory, Parser};
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
///     chutes_console::main(Arguments::command(), greet)
/// }
/// ```
pub fn main<A: FromArgMatches>(
    command: Command,
    execute: impl FnOnce(A) -> CommandResult,
) -> std::process::ExitCode {
    if let Some(code) = chutes_supervisor::serve_files() {
        return code;
    }
    let matches = without_empty_variables(command).try_get_matches();
    let done = match matches.and_then(|matches| A::from_arg_matches(&matches)) {
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

/// The command without the variables that are empty: that is how many scripts unset them.
fn without_empty_variables(command: Command) -> Command {
    let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|argument| {
        if argument.get_env().is_some_and(is_empty) {
            argument.env(Resettable::Reset)
        } else {
            argument
        }
    });
    command.mut_subcommands(without_empty_variables)
}

/// This program with other arguments, as it can be pasted into a shell.
pub(crate) fn shell_line(arguments: &[&str]) -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = program.to_string_lossy();
    let words = std::iter::once(&*program).chain(arguments.iter().copied());
    words.map(quoted).collect::<Vec<_>>().join(" ")
}

/// A word in the notation of shells.
fn quoted(word: &str) -> Cow<'_, str> {
    // There is no notation for a NUL, which no argument can have.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_shell() {
        for (word, expected) in
            [("runs/a-1", "runs/a-1"), ("my runs", "'my runs'"), ("", "''"), ("it's", "\"it's\"")]
        {
            assert_eq!(quoted(word), expected);
        }
        assert!(shell_line(&["recover", "a b"]).ends_with(" recover 'a b'"));
    }
}
