//! `ps`: the runs of a folder.

use std::borrow::Cow;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chutes_core::{Escaped, ExitCode, HumanDuration, HumanSize, Phase, RunId, Status, Target};
use chutes_supervisor::control::protocol::State;
use chutes_supervisor::inspect::{ListedRun, ListedState, Listing, RunView, Which, list, utc};
use clap::{Args, ValueHint};
use serde::Serialize;

use super::live;
use super::words::{age, elapsed, progress_words, state, target_name};
use crate::problem::Problem;
use crate::program::{CommandResult, shell_line};
use crate::stdout::{json_line, print};
use crate::terminal::{Columns, Console, Row, status_words, stdout_width};

const EXIT_CODES: &str = "\
Exit codes:
  0    the runs are listed, also when there are none
  2    the folder cannot be read
  4    there are directories of runs that cannot be read; all others are listed";

/// The arguments of `ps`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct PsArguments {
    /// The folder in which the directories of runs are
    #[arg(value_name = "DIR", default_value = "runs", value_hint = ValueHint::DirPath)]
    directory: PathBuf,
    /// List the runs that have ended, too
    #[arg(long)]
    all: bool,
    /// Print each run as one line of JSON
    #[arg(long)]
    json: bool,
}

/// How many directories that cannot be read are named.
const NAMED: usize = 5;

pub(super) fn ps(arguments: &PsArguments) -> CommandResult {
    let which = if arguments.all { Which::All } else { Which::Open };
    let listing = match list(&arguments.directory, which) {
        // Nothing was run here yet.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Listing::default(),
        Err(error) => {
            let path = arguments.directory.display();
            return Err(Problem::wrong(format!("cannot read `{path}`: {error}")));
        }
        Ok(listing) => listing,
    };
    let now = SystemTime::now();
    if arguments.json {
        let lines = listing.runs.iter().map(|run| json_line(&Line::of(run, now)));
        print(&lines.collect::<Result<String, _>>()?)?;
    } else {
        print(&table(&listing.runs, now, stdout_width()))?;
    }
    remark(arguments, &listing)
}

const HEAD: [&str; 8] = ["RUN", "JOB", "STATUS", "AGE", "TIME", "DONE", "CPU", "MEMORY"];

fn table(runs: &[ListedRun], now: SystemTime, width: Option<u16>) -> String {
    let columns = Columns::new(HEAD).align_right(&[3, 4, 5, 6, 7]);
    let rows: Vec<Row<'_, 8>> = runs.iter().map(|run| row(run, now)).collect();
    columns.render(width, || rows.iter().map(|row| row.each_ref().map(|cell| (&**cell).into())))
}

fn row(run: &ListedRun, now: SystemTime) -> Row<'_, 8> {
    let (status, state): (Cow<'_, str>, _) = match &run.state {
        ListedState::Ended { status, .. } => (status_words(*status).into(), None),
        ListedState::Open(view) => (progress_words(view).into(), live(view)),
    };
    let time = time(run, now);
    let time = time.map_or(Cow::Borrowed(""), |time| HumanDuration(time).to_string().into());
    let age = age(run.began, now).into();
    let State { progress, usage } = state.unwrap_or_default();
    let done = progress.map(|it| format!("{:.0}%", it.fraction * 100.0)).unwrap_or_default();
    let cpu = usage.map(|it| HumanDuration(it.cpu).to_string()).unwrap_or_default();
    let memory = usage.and_then(|it| it.memory).map(|bytes| HumanSize(bytes).to_string());
    let [done, cpu, memory] = [done, cpu, memory.unwrap_or_default()].map(Cow::Owned);
    let (id, name) = (run.run_id.short().into(), target_name(&run.target).into());
    [id, name, status, age, time, done, cpu, memory]
}

/// How long it took, or how long it has been going on. It is not known when a run was interrupted.
fn time(run: &ListedRun, now: SystemTime) -> Option<Duration> {
    match &run.state {
        ListedState::Ended { elapsed, .. } => Some(*elapsed),
        ListedState::Open(view) if view.is_lost() => None,
        // A part of a second says nothing about what goes on.
        ListedState::Open(_) => Some(Duration::from_secs(elapsed(run.began, now).as_secs())),
    }
}

/// What is said about the list on standard error.
fn remark(arguments: &PsArguments, listing: &Listing) -> CommandResult {
    let folder = arguments.directory.display().to_string();
    let mut text = String::new();
    for error in listing.unreadable.iter().take(NAMED) {
        let message = chutes_core::user_text::cut(error, chutes_core::user_text::MAX_MESSAGE);
        let _ = writeln!(text, "warning: {}", Escaped(&message));
    }
    if let Some(more @ 1..) = listing.unreadable.len().checked_sub(NAMED) {
        let _ = writeln!(text, "warning: {more} more directories cannot be read");
    }
    let is_lost =
        |run: &&ListedRun| matches!(&run.state, ListedState::Open(view) if view.is_lost());
    if listing.runs.iter().any(|run| is_lost(&run)) {
        let command = shell_line(&["recover", &folder]);
        let _ = writeln!(text, "hint: this finishes what was interrupted: {command}");
    }
    if listing.runs.is_empty() && listing.unreadable.is_empty() {
        let what = if arguments.all { "no run" } else { "no run that has not ended" };
        let _ = writeln!(text, "there is {what} in `{folder}`");
    }
    let console = Console::open().map_err(|error| Problem::platform(&error))?;
    console.print(&text);
    let is_whole = listing.unreadable.is_empty();
    Ok(if is_whole { ExitCode::COMPLETED } else { ExitCode::PLATFORM_FAULT })
}

/// A run as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    run_id: RunId,
    #[serde(flatten)]
    target: &'a Target,
    state: &'static str,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
    began: String,
    seconds: Option<f64>,
    run_dir: String,
    #[serde(flatten)]
    live: Option<State>,
}

impl<'a> Line<'a> {
    fn of(run: &'a ListedRun, now: SystemTime) -> Self {
        let (state, status, open): (_, _, Option<&RunView>) = match &run.state {
            ListedState::Ended { status, .. } => ("ended", (*status).into(), None),
            ListedState::Open(view) => (state(view), view.status, Some(view)),
        };
        Self {
            run_id: run.run_id,
            target: &run.target,
            state,
            status,
            phase: open.and_then(|view| view.phase).map(|phase| phase.phase),
            began: utc(run.began),
            seconds: time(run, now).map(|time| time.as_secs_f64()),
            run_dir: run.directory.display().to_string(),
            live: open.and_then(live),
        }
    }
}
