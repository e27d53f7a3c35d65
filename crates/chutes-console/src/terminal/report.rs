//! The report at the end of a run: its end status, its phases, its outputs.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use chutes_core::{
    Delivery, DeliveryState, EndStatus, Escaped, Failure, FailureKind, FileState, HumanDuration,
    HumanSize, Outcome, OutputFile, PhaseReport, SinkReport, Target,
};

use super::columns::{Columns, Row};
use super::console::Console;
use super::paint::Paint;
use super::{limit_text, status_words};
use crate::problem::error_text;
use crate::program::shell_line;

/// How many output files the table shows.
const SHOWN_FILES: usize = 15;

/// Prints the report: tables on a terminal, otherwise only the essential lines.
pub(crate) fn print(console: &Console, outcome: &Outcome) {
    let mut text = String::new();
    if console.is_terminal() {
        text += &phases(&outcome.phases, console.width());
        if !outcome.outputs.is_empty() {
            text += "\n";
            text += &files(outcome, console.width());
        }
        text += "\n";
    }
    text += &result_and_verdict(console.paint(), outcome);
    console.print(&text);
}

/// How a run ended, without colours: its result, its failure, what became of its files.
pub(crate) fn ending(outcome: &Outcome) -> String {
    result_and_verdict(Paint::when(false), outcome)
}

fn result_and_verdict(paint: Paint, outcome: &Outcome) -> String {
    let mut text = String::new();
    if let Some(result) = outcome.result.as_ref().filter(|result| !result.is_null()) {
        text.extend(["result: ", result.as_str(), "\n"]);
    }
    text += &verdict(paint, outcome);
    text
}

pub(crate) fn phases(phases: &[PhaseReport], width: Option<u16>) -> String {
    let columns = Columns::new(["PHASE", "TIME", "LIMIT"]).align_right(&[1, 2]);
    columns.render(width, || {
        phases.iter().map(|report| {
            let time = HumanDuration(report.elapsed).to_string();
            [report.phase.as_str().into(), time.into(), limit_text(report.limit)]
        })
    })
}

pub(crate) fn files(outcome: &Outcome, width: Option<u16>) -> String {
    // Missing files need attention, so they come first.
    let is_good =
        |file: &&OutputFile| matches!(file.state, FileState::Collected { .. }) && file.is_safe();
    let bad = outcome.outputs.iter().filter(|file| !is_good(file));
    let files: Vec<_> =
        bad.chain(outcome.outputs.iter().filter(is_good)).take(SHOWN_FILES).collect();
    let columns = Columns::new(["OUTPUT", "SIZE", "STATE"]).align_right(&[1]);
    let mut text = columns.render(width, || files.iter().map(|file| file_row(file)));
    let hidden = outcome.outputs.len() - files.len();
    if hidden > 0 {
        text.extend(["and ", &hidden.to_string(), " more in manifest.json\n"]);
    }
    text
}

fn file_row(file: &OutputFile) -> Row<'_, 3> {
    let (size, state) = match &file.state {
        FileState::Collected { bytes, .. } => (HumanSize(*bytes).to_string(), delivered(file)),
        FileState::Failed { reason } => (String::new(), format!("failed: {reason}").into()),
        FileState::Skipped { reason } => (String::new(), format!("skipped: {reason}").into()),
    };
    [shown_path(&file.path.to_string()).into(), size.into(), state]
}

/// The delivery state of a collected file.
fn delivered(file: &OutputFile) -> Cow<'_, str> {
    let is_there = |delivery: &Delivery| delivery.state == DeliveryState::Delivered;
    match file.deliveries.iter().find_map(failed) {
        Some(reason) => format!("not delivered: {reason}").into(),
        None if file.deliveries.iter().any(is_there) => "delivered".into(),
        None => "collected".into(),
    }
}

fn failed(delivery: &Delivery) -> Option<&str> {
    match &delivery.state {
        DeliveryState::Failed { reason } => Some(reason),
        _ => None,
    }
}

/// Why files did not arrive: one reason for each sink, because the files of a sink mostly have the same one.
fn undelivered(outcome: &Outcome) -> String {
    let mut text = String::new();
    for sink in outcome.sinks.iter().filter(|sink| sink.failed > 0) {
        let mut files = all_files(outcome);
        let first = files.find_map(|file| {
            let mut here = file.deliveries.iter().filter(|delivery| delivery.sink == sink.sink);
            Some((file, here.find_map(failed)?))
        });
        let Some((file, reason)) = first else { continue };
        let _ = write!(text, "{}: `{}`", sink.sink, shown_path(&file.path.to_string()));
        if sink.failed > 1 {
            let _ = write!(text, " and {} more", sink.failed - 1);
        }
        let _ = writeln!(text, " not delivered: {reason}");
    }
    text
}

fn all_files(outcome: &Outcome) -> impl Iterator<Item = &OutputFile> {
    outcome.outputs.iter().chain(&outcome.logs).chain(&outcome.artifacts)
}

/// What the user can do about files that did not arrive, or that the recovery has delivered them.
fn advice(paint: Paint, outcome: &Outcome) -> String {
    let is_for_files = |failure: &Failure| {
        matches!(failure.kind, FailureKind::OutputsIncomplete | FailureKind::UploadFailed)
    };
    if !outcome.sinks.iter().all(SinkReport::is_complete) {
        let what = "when that is put right, this delivers what is missing";
        let command = shell_line(&["recover", &outcome.run_dir]);
        return format!("{} {what}: {command}\n", paint.hint("hint:"));
    }
    let is_settled = all_files(outcome).all(OutputFile::is_safe);
    if outcome.ending.failure().is_some_and(is_for_files) && is_settled {
        return "all files have been delivered since\n".to_owned();
    }
    String::new()
}

/// The path with escaped control characters, which must not reach the terminal.
fn shown_path(path: &str) -> String {
    Escaped(path).to_string()
}

fn verdict(paint: Paint, outcome: &Outcome) -> String {
    let mut text = String::new();
    if let Some(failure) = outcome.ending.failure() {
        let mut chain = vec![headline(outcome, &failure.message)];
        chain.extend(failure.causes.iter().cloned());
        text += &error_text(paint, &chain);
    }
    text += &undelivered(outcome);
    text += &advice(paint, outcome);
    let status = outcome.status();
    let painted = match status {
        EndStatus::Completed => paint.success(status_words(status)),
        EndStatus::Cancelled => paint.warning(status_words(status)),
        _ => paint.error(status_words(status)),
    };
    let total: Duration = outcome.phases.iter().map(|report| report.elapsed).sum();
    let _ = write!(text, "{painted} in {}", HumanDuration(total));
    let _ = write!(text, ": {}", collected(&outcome.outputs, "output "));
    if !outcome.artifacts.is_empty() {
        let _ = write!(text, ", {}", collected(&outcome.artifacts, "artifact "));
    }
    let _ = writeln!(text, ", in {}", outcome.run_dir);
    outcome.sinks.iter().for_each(|report| text += &arrived(report));
    text
}

/// The number and the total size of the collected files of a kind.
fn collected(files: &[OutputFile], kind: &str) -> String {
    let sizes = files.iter().filter_map(|file| match file.state {
        FileState::Collected { bytes, .. } => Some(bytes),
        _ => None,
    });
    let (count, bytes) = sizes.fold((0_usize, 0_u64), |(n, sum), bytes| (n + 1, sum + bytes));
    let noun = if count == 1 { "file" } else { "files" };
    let skipped =
        files.iter().filter(|file| matches!(file.state, FileState::Skipped { .. })).count();
    let skipped = if skipped == 0 { String::new() } else { format!(" ({skipped} skipped)") };
    format!("{count} {kind}{noun}, {}{skipped}", HumanSize(bytes))
}

/// The number and the total size of the files that have arrived at one sink.
fn arrived(report: &SinkReport) -> String {
    let SinkReport { sink, delivered, bytes, declared, .. } = report;
    let files = if *delivered == 1 { "file" } else { "files" };
    let done = if *declared { "uploaded" } else { "delivered" };
    format!("{done} {delivered} {files}, {}, to {sink}\n", HumanSize(*bytes))
}

fn headline(outcome: &Outcome, message: &str) -> String {
    let what = match &outcome.target {
        Target::Job(job) => format!("job `{job}`"),
        Target::Image(image) => format!("image `{image}`"),
    };
    match outcome.status() {
        EndStatus::Rejected => format!("{what} was not started: {message}"),
        EndStatus::Failed => format!("{what} failed: {message}"),
        EndStatus::TimedOut => format!("{what} ran out of time: {message}"),
        EndStatus::PlatformFailed => format!("the platform failed, not the job: {message}"),
        EndStatus::Cancelled | EndStatus::Completed => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_volumes_are_uploaded_and_other_places_delivered_to() {
        let report = SinkReport {
            sink: "the output volumes".into(),
            delivered: 2,
            failed: 0,
            skipped: 1,
            bytes: 3_000,
            error: None,
            declared: true,
            responses: Vec::new(),
        };
        let text = arrived(&report);
        assert!(
            text.starts_with("uploaded 2 files, ") && text.ends_with("to the output volumes\n")
        );
        let report = SinkReport { delivered: 1, declared: false, ..report };
        assert!(arrived(&report).starts_with("delivered 1 file, "));
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(shown_path("a\u{1b}[2Jb\nc é"), "a\\u{1b}[2Jb\\nc é");
    }
}
