//! `stats`: what a run uses of the machine.

use std::thread::sleep;
use std::time::{Duration, Instant};

use chutes_core::{ExitCode, HumanDuration, HumanSize, Usage};
use chutes_supervisor::control::protocol::State;
use chutes_supervisor::inspect::{RunView, view};
use clap::Args;
use serde::Serialize;

use super::{RunArgument, live, unreadable};
use crate::program::CommandResult;
use crate::stdout::{json_line, print};

/// The time between two readings with `--follow`.
const INTERVAL: Duration = Duration::from_secs(1);

/// The arguments of `stats`.
#[derive(Debug, Args)]
pub struct StatsArguments {
    #[command(flatten)]
    run: RunArgument,
    /// Read again each second, until the run has ended
    #[arg(long, short)]
    follow: bool,
    /// Print one JSON object per reading
    #[arg(long)]
    json: bool,
}

/// One reading.
#[derive(Serialize)]
struct Reading<'a> {
    run_id: chutes_core::RunId,
    status: &'static str,
    #[serde(flatten)]
    state: &'a State,
    /// How many processors were in use since the reading before; `None` for the first.
    cpus: Option<f64>,
}

/// Prints what the run uses now, or what it has used if it has ended.
pub(super) fn stats(arguments: &StatsArguments) -> CommandResult {
    let directory = arguments.run.directory()?;
    let mut before: Option<(Instant, Usage)> = None;
    let mut is_first = true;
    loop {
        let run = view(&directory).map_err(|error| unreadable(&error))?;
        let (state, is_live) = match live(&run) {
            Some(state) => (state, true),
            None => (ended(&run), false),
        };
        let now = Instant::now();
        let cpus = before.zip(state.usage).map(|((then, earlier), usage)| {
            usage.cpu.saturating_sub(earlier.cpu).as_secs_f64() / (now - then).as_secs_f64()
        });
        let reading =
            Reading { run_id: run.run_id, status: run.status.as_str(), state: &state, cpus };
        print(&if arguments.json { json_line(&reading)? } else { row(&reading, is_first) })?;
        if !arguments.follow || !is_live {
            return Ok(ExitCode::COMPLETED);
        }
        before = state.usage.map(|usage| (now, usage));
        is_first = false;
        sleep(INTERVAL);
    }
}

/// What a run has used that has no supervisor.
fn ended(run: &RunView) -> State {
    let of_outcome = run.outcome.as_ref().and_then(|outcome| outcome.usage);
    State { progress: None, usage: of_outcome.or(run.report.usage) }
}

/// One reading as a line of a table, below its head if it is the first.
fn row(reading: &Reading<'_>, is_first: bool) -> String {
    let Usage { cpu, memory, peak_memory, processes, read, written } =
        reading.state.usage.unwrap_or_default();
    let size =
        |bytes: Option<u64>| bytes.map_or_else(|| "-".to_owned(), |it| HumanSize(it).to_string());
    let progress = reading.state.progress.as_ref();
    let cells = [
        HumanDuration(cpu).to_string(),
        reading.cpus.map_or_else(|| "-".to_owned(), |cpus| format!("{:.0}%", cpus * 100.0)),
        size(memory),
        size(peak_memory),
        processes.map_or_else(|| "-".to_owned(), |count| count.to_string()),
        size(read),
        size(written),
        progress.map_or_else(|| "-".to_owned(), |it| format!("{:.0}%", it.fraction * 100.0)),
    ];
    let widths = [10, 6, 10, 10, 9, 10, 10, 8];
    let line = |cells: [&str; 8]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join(" ") + "\n"
    };
    let head = ["CPU TIME", "CPU", "MEMORY", "PEAK", "PROCESSES", "READ", "WRITTEN", "PROGRESS"];
    let row = line(cells.each_ref().map(String::as_str));
    if is_first { line(head) + &row } else { row }
}
