//! `show`: everything about one run.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use chutes_core::{Endpoints, ExitCode, HumanDuration, LabelName, Outcome, Phase, PhaseReport};
use chutes_core::{RunId, Status, Target};
use chutes_supervisor::control::protocol::State;
use chutes_supervisor::inspect::{RunPhase, RunView, utc, view};
use clap::Args;
use serde::Serialize;

use super::words::{age, elapsed, escaped_lines, progress_words, state, target_name};
use super::{EXIT_CODES, RunArgument, live, unreadable};
use crate::program::{CommandResult, shell_line};
use crate::stdout::{json_line, print};
use crate::terminal::{limit_text, report, status_words, stdout_width};

/// The arguments of `show`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct ShowArguments {
    #[command(flatten)]
    run: RunArgument,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(super) fn show(arguments: &ShowArguments) -> CommandResult {
    let run = view(&arguments.run.directory()?).map_err(|error| unreadable(&error))?;
    if arguments.json {
        print(&json_line(&Shown::of(&run))?)?;
    } else {
        print(&escaped_lines(&text(&run, SystemTime::now(), stdout_width())))?;
    }
    Ok(ExitCode::COMPLETED)
}

/// The run, for people.
fn text(run: &RunView, now: SystemTime, width: Option<u16>) -> String {
    let mut text = facts(run, now);
    if !run.report.phases.is_empty() || run.phase.is_some() {
        text.push('\n');
        let going_on = run.phase.filter(|_| !run.is_lost());
        let going_on = going_on.map(|RunPhase { phase, limit, since }| {
            let whole_seconds = Duration::from_secs(elapsed(since, now).as_secs());
            PhaseReport { phase, limit, elapsed: whole_seconds }
        });
        let phases: Vec<_> = run.report.phases.iter().copied().chain(going_on).collect();
        text += &report::phases(&phases, width);
    }
    if let Some(outcome) = &run.outcome {
        if !outcome.outputs.is_empty() {
            text.push('\n');
            text += &report::files(outcome, width);
        }
        text.push('\n');
        text += &report::ending(outcome);
    }
    text
}

/// One fact per line.
fn facts(run: &RunView, now: SystemTime) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<11}{value}");
    };
    line("run", &run.run_id.to_string());
    let kind = if matches!(run.target, Target::Job(_)) { "job" } else { "image" };
    line(kind, &target_name(&run.target));
    line("directory", &run.directory.display().to_string());
    line("status", &status(run));
    if run.attempt != chutes_core::Attempt::FIRST {
        line("attempt", &run.attempt.to_string());
    }
    for (name, value) in &run.labels {
        line("label", &format!("{name}={value}"));
    }
    line("began", &format!("{}, {} ago", utc(run.began), age(run.began, now)));
    if let Some(ended) = run.ended {
        let after = HumanDuration(elapsed(run.began, ended));
        line("ended", &format!("{}, after {after}", utc(ended)));
    }
    if let Some(RunPhase { phase, limit, since }) = run.phase {
        let limit = limit_text(limit);
        line("phase", &format!("{phase}, since {}, limit {limit}", utc(since)));
    }
    for endpoint in endpoints(&run.report.endpoints) {
        line("endpoint", &endpoint);
    }
    for warning in &run.report.warnings {
        line("warning", warning);
    }
    if let Some(damage) = &run.damage {
        line("warning", &damage.to_string());
    }
    text
}

fn status(run: &RunView) -> String {
    match &run.outcome {
        Some(outcome) => status_words(outcome.status()).to_owned(),
        None if run.is_supervised => progress_words(run),
        None => {
            let command = shell_line(&["recover", &run.directory.display().to_string()]);
            format!("interrupted: its supervisor is gone; this finishes it: {command}")
        }
    }
}

fn endpoints(endpoints: &Endpoints) -> Vec<String> {
    let Endpoints { ports, ssh, streaming } = endpoints;
    let port = |port: &chutes_core::PortAddress| format!("{} {}", port.port.name(), port.address);
    let mut lines: Vec<_> = ports.iter().map(port).collect();
    lines.extend(ssh.as_ref().map(|ssh| ssh.command.clone()));
    let streaming = streaming.as_ref();
    lines.extend(streaming.map(|it| format!("https://{}:{}", it.host, it.port)));
    lines
}

/// A run in JSON.
#[derive(Serialize)]
struct Shown<'a> {
    run_id: RunId,
    #[serde(flatten)]
    target: &'a Target,
    state: &'static str,
    status: Status,
    attempt: chutes_core::Attempt,
    labels: &'a std::collections::BTreeMap<LabelName, String>,
    began: String,
    ended: Option<String>,
    phase: Option<ShownPhase>,
    phases: &'a [PhaseReport],
    endpoints: &'a Endpoints,
    warnings: &'a [String],
    damage: Option<String>,
    run_dir: String,
    outcome: Option<&'a Outcome>,
    live: Option<State>,
}

/// The phase that goes on.
#[derive(Serialize)]
struct ShownPhase {
    name: Phase,
    since: String,
    limit_seconds: Option<f64>,
}

impl<'a> Shown<'a> {
    fn of(run: &'a RunView) -> Self {
        let phase = |RunPhase { phase, limit, since }| ShownPhase {
            name: phase,
            since: utc(since),
            limit_seconds: limit.map(|limit| limit.as_secs_f64()),
        };
        Self {
            run_id: run.run_id,
            target: &run.target,
            state: state(run),
            status: run.status,
            attempt: run.attempt,
            labels: &run.labels,
            began: utc(run.began),
            ended: run.ended.map(utc),
            phase: run.phase.map(phase),
            phases: &run.report.phases,
            endpoints: &run.report.endpoints,
            warnings: &run.report.warnings,
            damage: run.damage.as_ref().map(ToString::to_string),
            run_dir: run.directory.display().to_string(),
            outcome: run.outcome.as_ref(),
            live: live(run),
        }
    }
}
