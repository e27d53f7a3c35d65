//! The command line of a job binary: `list`, `describe`, `run`, `recover`, `completions`, and what finds runs again.

mod arguments;
mod completions;
mod data;
mod describe;
mod fields;
mod list;
mod logging;
mod options;
mod run;
mod sinks;
mod type_name;
mod worker;

use chutes_console::{CommandResult, Problem, print, recover, runs};
use chutes_core::ExitCode;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use self::arguments::{Arguments, Command};
use self::options::{DataOptions, Given};
use crate::registry::Registry;

/// The command line of a job binary. Call it from `main` and return what it returns:
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     chutes::main()
/// }
/// ```
///
/// `help` lists the commands. Data goes to standard output, everything else to standard error. `RUST_LOG` selects
/// the `tracing` events of the job that are shown (default `info`), and `NO_COLOR` turns colours off.
///
/// | exit code | meaning |
/// |---|---|
/// | 0 | the run completed, or the command succeeded |
/// | 1 | the job failed: an error, a panic, or its death |
/// | 2 | the command line or the data is wrong, or two jobs have the same name; nothing was started |
/// | 3 | the job finished, but not all of its outputs were collected and delivered |
/// | 4 | the platform failed, not the job |
/// | 124 | a time limit was reached |
/// | 130 | the run was cancelled |
///
/// In the process of the job, a `tracing` subscriber is set that writes to standard error. A program with one of its own
/// sets it in `main`, before this is called; a job cannot, because a process has one for all of its threads.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     // What it writes is in the log of the run.
///     if chutes::is_worker() {
///         tracing_subscriber::fmt().compact().with_writer(std::io::stderr).with_ansi(false).init();
///     }
///     chutes::main()
/// }
/// ```
///
/// It may be called in the `main` of `#[tokio::main]`, too. What `main` does before it is done in the process of the job
/// as well, which is the same program: arguments of its own are for [`is_worker`] to tell apart.
#[must_use = "the exit code says how the run ended"]
pub fn main() -> std::process::ExitCode {
    // A thread that belongs to a runtime cannot wait for another one.
    if tokio::runtime::Handle::try_current().is_ok() {
        return on_a_thread_of_its_own(on_this_thread);
    }
    on_this_thread()
}

fn on_a_thread_of_its_own(program: fn() -> std::process::ExitCode) -> std::process::ExitCode {
    match std::thread::Builder::new().name("chutes".into()).spawn(program) {
        Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        Err(error) => Problem::platform(&error).exit_code().into(),
    }
}

fn on_this_thread() -> std::process::ExitCode {
    if worker::is_wanted() {
        return worker::main();
    }
    let registry = Registry::collect();
    let options = registry.as_ref().ok().and_then(|registry| {
        let is_job = |name: &str| registry.get(name).is_ok();
        let job = options::job_word(std::env::args_os().skip(1), is_job)?;
        registry.get(&job).ok().map(DataOptions::of)
    });
    let command = match &options {
        Some(options) => {
            let (command, program) = (command(), program_name());
            command.mut_subcommand("run", |_| options.command(&program))
        }
        None => command(),
    };
    chutes_console::main(command, |typed: Typed| {
        let registry = registry.as_ref().map_err(|error| Problem::bad_request(error))?;
        let given = options.as_ref().map(|options| options.given(&typed.matches));
        if let (Command::Run(arguments), Some(options)) = (&typed.arguments.command, &options) {
            refuse_other_job(arguments.job.as_deref(), options.job())?;
        }
        execute(registry, typed.arguments, &given.unwrap_or_default())
    })
}

/// Refuses arguments in which a value was taken for the name of the job, so that the options are those of another one.
fn refuse_other_job(named: Option<&str>, taken: &str) -> Result<(), Problem> {
    match named {
        Some(named) if named != taken => {
            let message = format!("the options are read as those of job `{taken}`, not `{named}`");
            Err(Problem::wrong(message).hint("name the job before the options of its data"))
        }
        _ => Ok(()),
    }
}

/// The arguments, also those that only the chosen job has.
struct Typed {
    arguments: Arguments,
    matches: ArgMatches,
}

impl FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let arguments = Arguments::from_arg_matches(matches)?;
        Ok(Self { arguments, matches: matches.clone() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Whether chutes has started this process for a run: to work on the job, or to serve its files.
///
/// A program that parses arguments of its own before it calls [`main`](fn@main) must not do that here: the arguments are
/// those of chutes.
///
/// ```no_run
/// fn main() -> std::process::ExitCode {
///     if !chutes::is_worker() && std::env::args().nth(1).as_deref() == Some("--about") {
///         println!("trains models");
///         return chutes::ExitCode::COMPLETED.into();
///     }
///     chutes::main()
/// }
/// ```
#[must_use]
pub fn is_worker() -> bool {
    worker::is_wanted() || chutes_supervisor::is_file_server()
}

fn command() -> clap::Command {
    let name = program_name();
    Arguments::command().name(name.clone()).bin_name(name)
}

fn program_name() -> String {
    let path = std::env::args_os().next().map(std::path::PathBuf::from);
    let name = path.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
    name.map_or_else(|| "jobs".to_owned(), std::borrow::Cow::into_owned)
}

fn execute(registry: &Registry, arguments: Arguments, options: &[Given<'_>]) -> CommandResult {
    match arguments.command {
        Command::List(arguments) => print(&list::list(registry, &arguments)?)?,
        Command::Describe(arguments) => print(&describe::describe(registry, &arguments)?)?,
        Command::Run(arguments) => return run::run(registry, &arguments, options),
        Command::Recover(arguments) => return recover(&arguments),
        Command::Runs(command) => return runs(&command),
        Command::Completions { shell } => print(&completions::script(command(), registry, shell))?,
    }
    Ok(ExitCode::COMPLETED)
}
