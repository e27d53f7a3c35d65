//! From what happened to how the run ended, and to the words for it.

use std::error::Error;
use std::fmt;

use chutes_core::{Ending, Failure, FailureKind, HumanDuration, Json, Phase};

use super::cancel::Urgency;
use super::lifecycle::Lifecycle;
use super::panic::CaughtPanic;
use super::user_code::{Ended, Stop, StopReason, Supervision};
use crate::data::DataError;
use crate::definition::{PreparedJob, WorkError};
use crate::error::ErrorText;
use crate::event::RunEvent;

/// The job with its data, or how decoding the data ended the run: nothing was started.
pub(super) fn of_decoding(
    ended: Ended<Result<PreparedJob, DataError>>,
    supervision: &Supervision<'_>,
) -> Result<PreparedJob, Ending> {
    const NAME: &str = "the decoding of the data";
    let in_start = |failure: Failure| failure.in_phase(Phase::Start);
    match ended {
        Ended::Finished(Ok(Ok(job))) => Ok(job),
        Ended::Finished(Ok(Err(error))) => {
            let failure = Failure::new(FailureKind::InvalidData, error.to_string());
            Err(Ending::Rejected(in_start(failure)))
        }
        Ended::Finished(Err(panic)) => Err(Ending::Failed(in_start(panicked(NAME, &panic)))),
        Ended::Stopped(stop) => Err(stopped(NAME, stop, Phase::Start, supervision).0),
    }
}

/// The end of a job, and what it returned.
pub(super) fn of_job(
    ended: Ended<Result<Json, WorkError>>,
    supervision: &Supervision<'_>,
) -> (Ending, Option<Json>) {
    let failure = match ended {
        Ended::Finished(Ok(Ok(result))) => return (Ending::Completed, Some(result)),
        Ended::Finished(Ok(Err(WorkError::Job(error)))) => {
            Failure { causes: error.causes, ..Failure::new(FailureKind::JobError, error.message) }
        }
        Ended::Finished(Ok(Err(WorkError::Result(error)))) => Failure {
            causes: error.source().map(ToString::to_string).into_iter().collect(),
            ..Failure::new(FailureKind::InvalidResult, error.to_string())
        },
        Ended::Finished(Err(panic)) => panicked("the job", &panic),
        Ended::Stopped(stop) => return stopped("the job", stop, Phase::Execute, supervision),
    };
    (Ending::Failed(failure.in_phase(Phase::Execute)), None)
}

/// The failure of a hook that returned an error.
pub(super) fn hook_error(kind: FailureKind, name: &str, error: ErrorText) -> Failure {
    let message = format!("{name} failed: {error}");
    Failure { causes: error.causes, ..Failure::new(kind, message) }
}

/// The failure of code that panicked.
pub(super) fn panicked(name: &str, panic: &CaughtPanic) -> Failure {
    let place = panic.location.as_ref().map(|place| format!(" at {place}")).unwrap_or_default();
    let message = format!("{name} panicked{place}: {}", panic.message);
    Failure { location: panic.location.clone(), ..Failure::new(FailureKind::Panic, message) }
}

/// The end of code that was asked to stop, and the value that it still returned.
pub(super) fn stopped<V, E: fmt::Display>(
    name: &str,
    stop: Stop<Result<V, E>>,
    phase: Phase,
    supervision: &Supervision<'_>,
) -> (Ending, Option<V>) {
    let reason = reason(stop.reason, phase, supervision);
    let message = if !stop.started {
        format!("{reason} before {name} was started")
    } else if stop.abandoned {
        format!("{reason}; {name} does not yield and was left behind")
    } else if stop.said.is_some() {
        reason
    } else if supervision.cancel.urgency() >= Urgency::Now {
        format!("{reason}; {name} was stopped at once")
    } else {
        let grace = HumanDuration(supervision.grace);
        format!("{reason}; {name} did not end within its grace of {grace} and was stopped")
    };
    let (value, cause) = match stop.said {
        None => (None, None),
        Some(Ok(Ok(value))) => (Some(value), None),
        Some(Ok(Err(error))) => (None, Some(format!("{name} then returned an error: {error}"))),
        Some(Err(panic)) => (None, Some(panicked(name, &panic).message)),
    };
    let (kind, ending): (_, fn(Failure) -> Ending) = match stop.reason {
        StopReason::Cancelled => (FailureKind::Cancelled, Ending::Cancelled),
        StopReason::TimeLimit => (FailureKind::TimeLimit, Ending::TimedOut),
    };
    let mut failure = Failure::new(kind, message).in_phase(phase);
    failure.causes.extend(cause);
    (ending(failure), value)
}

/// Why code was asked to stop.
fn reason(reason: StopReason, phase: Phase, supervision: &Supervision<'_>) -> String {
    match reason {
        StopReason::Cancelled => "the run was cancelled".to_owned(),
        StopReason::TimeLimit => {
            let limit = supervision.limit.map(|limit| format!(" of {}", HumanDuration(limit)));
            format!("the {phase} phase reached its limit{}", limit.unwrap_or_default())
        }
    }
}

/// Outputs that are not complete decide the end of a run that would have completed.
pub(super) fn with_outputs(ending: Ending, failed_files: usize) -> Ending {
    if failed_files == 0 || ending != Ending::Completed {
        return ending;
    }
    let files = if failed_files == 1 { "file was" } else { "files were" };
    let message = format!("the job finished, but {failed_files} output {files} not collected");
    Ending::Failed(Failure::new(FailureKind::OutputsIncomplete, message).in_phase(Phase::Upload))
}

/// Tells the observer that code is asked to stop.
pub(super) fn announce(
    lifecycle: &Lifecycle,
    supervision: &Supervision<'_>,
    phase: Phase,
) -> impl FnOnce(StopReason) {
    let observer = lifecycle.observer();
    move |stopped| {
        let reason = reason(stopped, phase, supervision);
        observer.on_event(&RunEvent::Stopping { reason, grace: supervision.grace });
    }
}

/// A failure and its causes on one line, for warnings.
pub(super) fn on_one_line(failure: &Failure) -> String {
    let parts = std::iter::once(&failure.message).chain(&failure.causes);
    parts.map(String::as_str).collect::<Vec<_>>().join(": ")
}
