//! `ps`, `show`, `logs`, `attach`, `stats`, `cancel`: finds the runs of this machine again, shows how they stand, and asks
//! them to stop.

mod attach;
mod cancel;
mod logs;
mod ps;
mod show;
mod stats;
mod words;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chutes_supervisor::control::ControlClient;
use chutes_supervisor::control::protocol::State;
use chutes_supervisor::inspect::{InspectError, RunView, resolve, view};
use clap::{Args, Subcommand, ValueHint};

use self::attach::AttachArguments;
use self::cancel::CancelArguments;
use self::logs::LogsArguments;
use self::ps::PsArguments;
use self::show::ShowArguments;
use self::stats::StatsArguments;
use crate::problem::Problem;
use crate::program::{CommandResult, shell_line};
use crate::terminal::status_words;

const EXIT_CODES: &str = "\
Exit codes:
  0    it is shown
  2    there is no such run
  4    the run cannot be read";

/// The commands that find runs again. Both command lines have them, carried out by [`runs()`].
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// List the runs that have not ended: those in progress, and those that were interrupted
    Ps(PsArguments),
    /// Show everything about one run: how it stands, its phases, its files
    Show(ShowArguments),
    /// Print what the job of a run has printed
    Logs(LogsArguments),
    /// Show a run in progress until its end, as if it had been started here
    ///
    /// What the job prints from now on is shown, its progress, and at its end the report. Ctrl-C asks what to do; any
    /// other end of this command leaves the run alone.
    Attach(AttachArguments),
    /// Show what a run uses of the machine, or has used
    Stats(StatsArguments),
    /// Ask a run to stop: its job has its grace, and its outputs are kept
    Cancel(CancelArguments),
}

/// Carries out a command about runs.
///
/// # Errors
///
/// With exit code 2 when there is no such run, or several may be meant; with exit code 4 when a run cannot be read.
pub fn runs(command: &RunsCommand) -> CommandResult {
    match command {
        RunsCommand::Ps(arguments) => ps::ps(arguments),
        RunsCommand::Show(arguments) => show::show(arguments),
        RunsCommand::Logs(arguments) => logs::logs(arguments),
        RunsCommand::Attach(arguments) => attach::attach(arguments),
        RunsCommand::Stats(arguments) => stats::stats(arguments),
        RunsCommand::Cancel(arguments) => cancel::carry_out(arguments),
    }
}

/// Which run is meant.
#[derive(Debug, Args)]
struct RunArgument {
    /// The run: its directory or the name of it, or its id or the beginning of it; also as `ps` shows it
    #[arg(value_name = "RUN", value_hint = ValueHint::DirPath)]
    run: OsString,
    /// The folder in which the directories of runs are
    #[arg(long, value_name = "DIR", default_value = "runs", value_hint = ValueHint::DirPath)]
    runs: PathBuf,
}

impl RunArgument {
    /// Its directory.
    fn directory(&self) -> Result<PathBuf, Problem> {
        resolve(&self.run, &self.runs).map_err(|error| {
            let candidates = error.candidates().iter().map(ToString::to_string).collect::<Vec<_>>();
            if candidates.is_empty() {
                return Problem::bad_request(&error);
            }
            Problem::several(error.to_string(), candidates).hint("these are the newest of them")
        })
    }
}

/// Why a run cannot be shown.
fn unreadable(error: &InspectError) -> Problem {
    match error {
        InspectError::NoRun { .. } => Problem::bad_request(error),
        _ => Problem::platform(error),
    }
}

/// How long a supervisor may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(1);

/// Asks the supervisor of a run in progress how things stand. `None` when there is none, or it does not answer.
fn live(run: &RunView) -> Option<State> {
    if !run.is_supervised {
        return None;
    }
    let mut client = ControlClient::connect(&run.directory).ok()?;
    client.set_timeout(Some(ANSWER_TIME)).ok()?;
    client.state().ok()
}

/// Why a run cannot be asked for anything: it has ended, or its supervisor was ended.
fn not_in_progress(directory: &Path) -> Problem {
    let run = match view(directory) {
        Ok(run) => run,
        Err(error) => return unreadable(&error),
    };
    match &run.outcome {
        Some(outcome) => {
            Problem::wrong(format!("the run has ended: {}", status_words(outcome.status())))
        }
        None if run.is_supervised => {
            Problem::platform(&io::Error::other("the supervisor of the run has no control socket"))
        }
        None => interrupted(directory),
    }
}

/// The run has neither an outcome nor a supervisor.
fn interrupted(directory: &Path) -> Problem {
    let shown = directory.display().to_string();
    Problem::platform(&io::Error::other("the supervisor of the run was ended without an outcome"))
        .hint(format!("`{}` finishes the run", shell_line(&["recover", &shown])))
}
