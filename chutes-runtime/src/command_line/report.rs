//! The end of a run, for people: how it ended, its phases, its outputs.

use std::fmt::Write;
use std::time::Duration;

use chutes_core::{EndStatus, Escaped, FileState, HumanDuration, Outcome, OutputFile};

use super::columns::{Columns, Row};
use super::console::Console;
use super::list::limit;
use super::problem::error_text;
use super::terminal::Paint;

/// How many output files the table shows.
const SHOWN_FILES: usize = 15;

/// Prints the end of a run: tables on a terminal, else only what happened.
pub(super) fn print(console: &Console, outcome: &Outcome) {
    let mut text = String::new();
    if console.is_terminal() {
        text += &phases(outcome, console.width());
        if !outcome.outputs.is_empty() {
            text += "\n";
            text += &files(outcome, console.width());
        }
        text += "\n";
    }
    if let Some(result) = outcome.result.as_ref().filter(|result| !result.is_null()) {
        text.extend(["result: ", result.as_str(), "\n"]);
    }
    text += &verdict(console.paint(), outcome);
    console.print(&text);
}

fn phases(outcome: &Outcome, width: Option<u16>) -> String {
    let columns = Columns::new(["PHASE", "TIME", "LIMIT"]).align_right(&[1, 2]);
    columns.render(width, || {
        outcome.phases.iter().map(|report| {
            let time = HumanDuration(report.elapsed).to_string();
            [report.phase.as_str().into(), time.into(), limit(report.limit)]
        })
    })
}

fn files(outcome: &Outcome, width: Option<u16>) -> String {
    // Files that are missing are what somebody has to know, so they come first.
    let is_good = |file: &&OutputFile| matches!(file.state, FileState::Collected { .. });
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
        FileState::Collected { bytes, .. } => (human_size(*bytes), "collected".into()),
        FileState::Failed { reason } => (String::new(), format!("failed: {reason}").into()),
        FileState::Skipped { reason } => (String::new(), format!("skipped: {reason}").into()),
    };
    [shown_path(&file.path).into(), size.into(), state]
}

/// Control characters in a file name must not reach the terminal.
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
    let status = outcome.status();
    let painted = match status {
        EndStatus::Completed => paint.success(status.to_string().as_str()),
        EndStatus::Cancelled => paint.warning(status.to_string().as_str()),
        _ => paint.error(status.to_string().as_str()),
    };
    let total: Duration = outcome.phases.iter().map(|report| report.elapsed).sum();
    let _ = write!(text, "{painted} in {}", HumanDuration(total));
    let collected = outcome.outputs.iter().filter_map(|file| match file.state {
        FileState::Collected { bytes, .. } => Some(bytes),
        _ => None,
    });
    let (count, bytes) = collected.fold((0_usize, 0_u64), |(n, sum), bytes| (n + 1, sum + bytes));
    let files = if count == 1 { "file" } else { "files" };
    let _ =
        writeln!(text, ": {count} output {files}, {}, in {}", human_size(bytes), outcome.run_dir);
    text
}

fn headline(outcome: &Outcome, message: &str) -> String {
    match outcome.status() {
        EndStatus::Rejected => format!("job `{}` was not started: {message}", outcome.job),
        EndStatus::Failed => format!("job `{}` failed: {message}", outcome.job),
        EndStatus::TimedOut => format!("job `{}` ran out of time: {message}", outcome.job),
        EndStatus::HordeFailed => format!("the platform failed, not the job: {message}"),
        EndStatus::Cancelled | EndStatus::Completed => message.to_owned(),
    }
}

/// A size with one digit after the point, in units of 1000 as disks are sold.
fn human_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 999.95 && unit + 1 < UNITS.len() {
        size /= 1_000.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (5_368_709_120, "5.4 GB"),
        ] {
            assert_eq!(human_size(bytes), expected);
        }
    }

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(shown_path("a\u{1b}[2Jb\nc é"), "a\\u{1b}[2Jb\\nc é");
    }
}
