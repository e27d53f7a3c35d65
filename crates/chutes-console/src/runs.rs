//! `ps`, `show`, `logs`: finds the runs of this machine again, and shows how they stand.

mod logs;
mod ps;
mod show;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;

use chutes_core::Progress;
use chutes_supervisor::inspect::{InspectError, RunView, resolve};
use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;

use self::logs::LogsArguments;
use self::ps::PsArguments;
use self::show::ShowArguments;
use crate::problem::Problem;
use crate::program::CommandResult;

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

/// What only the supervisor of a run in progress knows.
#[derive(Clone, Debug, Default, Serialize)]
struct Live {
    /// What the job has reported last.
    progress: Option<Progress>,
    /// What the run uses of the machine.
    usage: Option<Usage>,
}

/// What a run uses of the machine.
#[derive(Clone, Debug, Default, Serialize)]
struct Usage {}

/// Asks the supervisor of a run in progress. `None` when there is none, or it does not answer.
fn live(_run: &RunView) -> Option<Live> {
    None
}
