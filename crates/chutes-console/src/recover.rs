//! `recover`: takes interrupted runs to their outcome.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chutes_core::{AddressRange, ExitCode, FileState, Outcome, OutputFile, SinkReport};
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
/// what has not arrived. The exit code is that of the run, or of the first run whose code is not 0.
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
    let mut first = ExitCode::COMPLETED;
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
        first = if first == ExitCode::COMPLETED { code } else { first };
    }
    Ok(first)
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
            Ok(exit_code(&outcome))
        }
        Ok(Found::Unfinished(run)) => {
            // A signal terminates this process by default. The next recovery does the rest.
            let never = std::future::pending();
            let finished = take_to_its_end(*run, directory, json, runtime, never)?;
            Ok(finished.map_or(ExitCode::PLATFORM_FAULT, |outcome| exit_code(&outcome)))
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

/// The exit code of a run after its recovery: a run that failed for its deliveries alone is successful once they
/// have been made, although its outcome stays the same.
fn exit_code(outcome: &Outcome) -> ExitCode {
    if is_made_good(outcome) { ExitCode::COMPLETED } else { outcome.exit_code() }
}

fn is_made_good(outcome: &Outcome) -> bool {
    let failure = outcome.ending.failure();
    let mut files = outcome.outputs.iter().chain(&outcome.logs).chain(&outcome.artifacts);
    failure.is_some_and(|failure| failure.kind.is_for_files())
        && files.all(OutputFile::is_safe)
        && outcome.sinks.iter().all(SinkReport::is_complete)
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

    #[test]
    fn only_deliveries_can_be_made_good() {
        use FailureKind::{JobError, OutputsIncomplete};

        for (kind, collected, delivered, error, expected) in [
            (OutputsIncomplete, true, true, false, 0),
            (OutputsIncomplete, true, false, false, 3),
            (OutputsIncomplete, true, true, true, 3),
            (OutputsIncomplete, false, true, false, 3),
            (JobError, true, true, false, 1),
            (JobError, true, false, false, 1),
        ] {
            let outcome = outcome(kind, collected, delivered, error);
            assert_eq!(exit_code(&outcome).get(), expected, "{outcome:#?}");
        }
    }
}
