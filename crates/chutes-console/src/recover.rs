//! `recover`: takes interrupted runs to their outcome.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chutes_core::{AddressRange, ExitCode, FileState, Outcome, OutputFile, SinkReport};
use chutes_supervisor::inspect::view;
use chutes_supervisor::recover::{Found, RecoverError, Unfinished, find};
use chutes_supervisor::{CancelHandle, RunDirectory, Urgency, runtime};
use tokio::runtime::Runtime;

use crate::arguments::RecoverArguments;
use crate::problem::Problem;
use crate::program::CommandResult;
use crate::session::{Watching, finish};
use crate::signals::Signals;
use crate::stdout::{json_line, print};
use crate::terminal::{Console, Paint, status_words};

/// Recovers one run, or all runs in a folder: takes those to their outcome whose supervisor was ended, and delivers
/// what has not arrived. The exit code says whether they are in order now, not how they ended; of several runs it is the
/// highest.
///
/// # Errors
///
/// When there is no run, when the one run is in progress, or when its directory cannot be read or written.
pub fn recover(arguments: &RecoverArguments) -> CommandResult {
    let path = &arguments.directory;
    let path = std::path::absolute(path).map_err(|error| cannot_read(path, &error))?;
    let runtime = runtime(true).map_err(|error| Problem::platform(&error))?;
    let addresses = arguments.addresses.ranges();
    let code = if is_run(&path) {
        carry_out(&path, find(&path, addresses), arguments.json, &runtime)?
    } else {
        recover_all(&runs_in(&path)?, addresses, arguments.json, &runtime)?
    };
    runtime.shutdown_background();
    Ok(code)
}

/// Recovers all runs that need it. A run in progress is no problem.
fn recover_all(
    directories: &[PathBuf],
    addresses: &[AddressRange],
    json: bool,
    runtime: &Runtime,
) -> Result<ExitCode, Problem> {
    let mut worst = ExitCode::COMPLETED;
    for directory in directories {
        let found = find(directory, addresses);
        if matches!(found, Err(RecoverError::InUse)) {
            say(&format!("{} is in progress\n", directory.display()))?;
            continue;
        }
        let code = carry_out(directory, found, json, runtime).unwrap_or_else(|problem| {
            problem.print(Paint::for_stderr());
            problem.exit_code()
        });
        worst = if code.get() > worst.get() { code } else { worst };
    }
    Ok(worst)
}

fn say(text: &str) -> Result<(), Problem> {
    let console = Console::open().map_err(|error| Problem::platform(&error))?;
    console.print(text);
    Ok(())
}

/// Whether the directory holds a run. One that cannot be read counts as a run, so that the user gets the error.
fn is_run(path: &Path) -> bool {
    match std::fs::metadata(RunDirectory::at(path.to_owned()).journal()) {
        Ok(journal) => journal.is_file(),
        Err(error) => {
            !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        }
    }
}

/// The directories of runs in a folder, sorted.
fn runs_in(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let entries = std::fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| cannot_read(path, &error))?;
    let mut runs: Vec<PathBuf> =
        entries.into_iter().map(|entry| entry.path()).filter(|path| is_run(path)).collect();
    runs.sort();
    if runs.is_empty() {
        return Err(Problem::wrong(format!("there is no run in `{}`", path.display())));
    }
    Ok(runs)
}

fn cannot_read(path: &Path, error: &io::Error) -> Problem {
    Problem::wrong(format!("cannot read `{}`: {error}", path.display()))
}

/// Reports a settled run, or finishes an unfinished one.
fn carry_out(
    directory: &Path,
    found: Result<Found, RecoverError>,
    json: bool,
    runtime: &Runtime,
) -> Result<ExitCode, Problem> {
    match found {
        Ok(Found::Settled(outcome)) => {
            let (shown, status) = (directory.display(), status_words(outcome.status()));
            say(&format!("{shown} is in order: {status}{}\n", never_collected(&outcome)))?;
            if json {
                print(&json_line(&*outcome)?)?;
            }
            Ok(ExitCode::COMPLETED)
        }
        Ok(Found::Unfinished(run)) => {
            let had_outcome = run.has_outcome();
            // A signal terminates this process by default. The next recovery does the rest.
            let never = std::future::pending();
            let finished = take_to_its_end(*run, directory, json, runtime, never)?;
            let Some(outcome) = finished else { return Ok(ExitCode::PLATFORM_FAULT) };
            say(&format!("{} {}\n", directory.display(), what_was_done(&outcome, had_outcome)))?;
            let is_written = view(directory).is_ok_and(|run| run.outcome.is_some());
            let code = exit_code(&outcome, had_outcome);
            Ok(if is_written { code } else { ExitCode::PLATFORM_FAULT })
        }
        Err(error) => Err(problem(directory, &error)),
    }
}

/// What no recovery adds: files that were not collected when the run ended, because that was given up or they could
/// not be read. They may have changed since then.
fn never_collected(outcome: &Outcome) -> String {
    let is_lost = |file: &&OutputFile| matches!(file.state, FileState::Failed { .. });
    match outcome.outputs.iter().filter(is_lost).count() {
        0 => String::new(),
        1 => "; 1 output was never collected, see `outputs/`".to_owned(),
        count => format!("; {count} outputs were never collected, see `outputs/`"),
    }
}

fn problem(directory: &Path, error: &RecoverError) -> Problem {
    let shown = directory.display();
    match error {
        RecoverError::InUse => Problem::wrong(format!("the run in `{shown}` is in progress")),
        RecoverError::Sinks(_) => Problem::platform(error).hint(format!(
            "in {shown}; without its `sinks.json` the run is finished, and nothing is delivered"
        )),
        _ => Problem::platform(error).hint(format!("in {shown}")),
    }
}

/// What the recovery has done: it has given the run its outcome, or it has delivered files of a run that had one.
fn what_was_done(outcome: &Outcome, had_outcome: bool) -> String {
    let missing: u64 = outcome.sinks.iter().map(|sink| sink.failed).sum();
    let missing = match missing {
        0 if outcome.sinks.iter().all(SinkReport::is_complete) => String::new(),
        0 => "; not all files were delivered".to_owned(),
        missing => format!("; {} could not be delivered", files(missing)),
    };
    if had_outcome {
        let delivered = outcome.sinks.iter().map(|sink| sink.delivered).sum();
        return format!("has {} delivered{missing}", files(delivered));
    }
    format!("is finished: {}{missing}", status_words(outcome.status()))
}

fn files(count: u64) -> String {
    if count == 1 { "1 file".to_owned() } else { format!("{count} files") }
}

/// Whether all files are in their places that the recovery had to put there. Files that were not collected when the run
/// ended are lost, which is no failure of a later recovery.
fn exit_code(outcome: &Outcome, had_outcome: bool) -> ExitCode {
    let is_lost = |file: &OutputFile| matches!(file.state, FileState::Failed { .. });
    let mut files = outcome.outputs.iter().chain(&outcome.logs).chain(&outcome.artifacts);
    let is_collected = had_outcome || !files.any(is_lost);
    if is_collected && outcome.sinks.iter().all(SinkReport::is_complete) {
        ExitCode::COMPLETED
    } else {
        ExitCode::OUTPUTS_INCOMPLETE
    }
}

/// Takes a run to its outcome, unless `interrupted` comes first.
fn take_to_its_end(
    run: Unfinished,
    directory: &Path,
    json: bool,
    runtime: &Runtime,
    interrupted: impl Future<Output = ()>,
) -> Result<Option<Outcome>, Problem> {
    let platform = |error: io::Error| Problem::platform(&error);
    let console = Arc::new(Console::open().map_err(platform)?);
    console.print(&format!("recovering {}\n", directory.display()));
    let watching = Watching::on(&console, run.follow()).map_err(platform)?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = run.finish() => Some(outcome),
            () = interrupted => None,
        }
    });
    watching.finish(&console);
    console.close();
    if let Some(outcome) = &outcome {
        finish(&console, outcome, json)?;
    }
    Ok(outcome)
}

/// Recovers the run in a directory that was given for a new run. Returns a message about it, if there is one. The
/// directory cannot be used for the new run in any case, since it holds the files of the old one.
pub(crate) fn put_in_order(path: &Path, runtime: &Runtime, signals: Signals) -> Option<String> {
    const ADVICE: &str = "name another directory for this one";
    // Addresses that are allowed for the new run may be forbidden for the old one.
    let run = match find(path, &[]) {
        Ok(Found::Unfinished(run)) => *run,
        Err(RecoverError::InUse) => return Some(format!("a run is in progress in it; {ADVICE}")),
        Ok(Found::Settled(_)) | Err(_) => return None,
    };
    let cancel = CancelHandle::new();
    let interrupted = async {
        tokio::select! {
            () = signals.cancel(cancel.clone()) => {}
            () = cancel.reached(Urgency::Graceful) => {}
        }
    };
    Some(match take_to_its_end(run, path, false, runtime, interrupted) {
        Ok(Some(outcome)) => {
            let status = outcome.status();
            format!("a run was left unfinished in it and has been recovered: {status}; {ADVICE}")
        }
        _ => "a run was left unfinished in it; `recover` finishes it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use chutes_core::{
        Delivery, DeliveryState, Ending, Failure, FailureKind, FileState, JobName, OutputPath,
        RunId, Sha256Digest,
    };

    use super::*;

    /// A run that ended with this kind of failure, with the states of its one file and its one sink.
    fn outcome(kind: FailureKind, collected: bool, delivered: bool, error: bool) -> Outcome {
        let sha256 = Sha256Digest::from_bytes([0; 32]);
        let reason = || "it was changed while it was read".to_owned();
        let state = if collected {
            FileState::Collected { bytes: 1, sha256 }
        } else {
            FileState::Failed { reason: reason() }
        };
        let delivery = if delivered {
            DeliveryState::Delivered
        } else {
            DeliveryState::Failed { reason: reason() }
        };
        let mut file = OutputFile::new(OutputPath::new(*b"a").unwrap(), state);
        file.deliveries = vec![Delivery { sink: "/backup".into(), state: delivery }];
        let (delivered, failed) = if delivered { (1, 0) } else { (0, 1) };
        let error = error.then(|| "500".to_owned());
        let (sink, bytes) = ("/backup".to_owned(), 1);
        Outcome {
            run_id: RunId::from_bytes([7; 16]),
            target: chutes_core::Target::Job(JobName::new("train").unwrap()),
            ending: Ending::Failed(Failure::new(kind, "it went wrong")),
            result: None,
            phases: Vec::new(),
            outputs: vec![file],
            logs: Vec::new(),
            artifacts: Vec::new(),
            sinks: vec![SinkReport {
                sink,
                delivered,
                failed,
                skipped: 0,
                bytes,
                error,
                declared: false,
                responses: Vec::new(),
            }],
            warnings: Vec::new(),
            endpoints: chutes_core::Endpoints::default(),
            usage: None,
            run_dir: "/runs/train".into(),
        }
    }

    /// How the run ended does not matter.
    #[test]
    fn exit_codes() {
        use FailureKind::{JobError, OutputsIncomplete};

        for (collected, delivered, error, had_outcome, expected) in [
            (true, true, false, false, 0),
            (true, true, false, true, 0),
            (true, false, false, false, 3),
            (true, false, false, true, 3),
            (true, true, true, true, 3),
            (false, true, false, false, 3),
            (false, true, false, true, 0),
        ] {
            for kind in [OutputsIncomplete, JobError] {
                let outcome = outcome(kind, collected, delivered, error);
                assert_eq!(exit_code(&outcome, had_outcome).get(), expected, "{outcome:#?}");
            }
        }
    }

    #[test]
    fn what_is_said() {
        for (delivered, error, had_outcome, expected) in [
            (true, false, false, "is finished: failed"),
            (false, false, false, "is finished: failed; 1 file could not be delivered"),
            (true, true, false, "is finished: failed; not all files were delivered"),
            (true, false, true, "has 1 file delivered"),
            (false, false, true, "has 0 files delivered; 1 file could not be delivered"),
        ] {
            let outcome = outcome(FailureKind::JobError, true, delivered, error);
            assert_eq!(what_was_done(&outcome, had_outcome), expected);
        }
    }
}
