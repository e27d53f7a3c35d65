//! `cancel`: asks a run in progress to stop.

use std::path::Path;

use chutes_core::{ExitCode, RunEvent};
use chutes_supervisor::Urgency;
use chutes_supervisor::control::protocol::Request;
use chutes_supervisor::control::{ControlClient, ControlError};
use clap::Args;

use super::{RunArgument, not_in_progress};
use crate::problem::Problem;
use crate::program::CommandResult;
use crate::terminal::{Console, status_words};

/// The arguments of `cancel`.
#[derive(Debug, Args)]
pub struct CancelArguments {
    #[command(flatten)]
    run: RunArgument,
    /// Without a grace: the job is ended at once, and its outputs are collected
    #[arg(long)]
    now: bool,
    /// Wait until the run has ended
    #[arg(long)]
    wait: bool,
    /// Why, for the outcome of the run
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

/// Asks the run to stop. With `--wait` this returns when it has ended, in whatever way.
pub(super) fn carry_out(arguments: &CancelArguments) -> CommandResult {
    let directory = arguments.run.directory()?;
    let urgency = if arguments.now { Urgency::Now } else { Urgency::Graceful };
    // Follows before it asks, so that the end cannot be missed.
    let events = if arguments.wait {
        let client = connect(&directory)?;
        Some(client.follow(1).map_err(|error| Problem::platform(&error))?)
    } else {
        None
    };
    ask(&directory, urgency, arguments.reason.clone())?;
    let Some(events) = events else { return Ok(ExitCode::COMPLETED) };
    for event in events {
        let event = event.map_err(|error| Problem::platform(&error))?;
        if let RunEvent::Outcome { outcome } = event.what {
            let console = Console::open().map_err(|error| Problem::platform(&error))?;
            console.print(&format!("the run has ended: {}\n", status_words(outcome.status())));
            return Ok(ExitCode::COMPLETED);
        }
    }
    Err(not_in_progress(&directory))
}

/// Asks the run in this directory to stop.
pub(super) fn cancel(directory: &Path, urgency: Urgency) -> Result<(), Problem> {
    ask(directory, urgency, None)
}

fn ask(directory: &Path, urgency: Urgency, reason: Option<String>) -> Result<(), Problem> {
    let request = Request::Cancel { urgency, reason, by: user() };
    let answer = connect(directory)?.ask(request);
    answer.map(drop).map_err(|error| match error {
        ControlError::Refused(_) => Problem::bad_request(&error),
        _ => Problem::platform(&error),
    })
}

fn connect(directory: &Path) -> Result<ControlClient, Problem> {
    ControlClient::connect(directory).map_err(|error| match error {
        ControlError::NoSupervisor(_) => not_in_progress(directory),
        _ => Problem::platform(&error),
    })
}

/// The name of the user, as far as the environment says it.
fn user() -> Option<String> {
    std::env::var("USER").ok().filter(|name| !name.is_empty())
}
