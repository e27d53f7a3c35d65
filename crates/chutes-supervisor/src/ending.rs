//! From what happened to how the run ended, and to the words for it.

mod files;

use chutes_core::{
    Ending, EventReporter, Failure, FailureKind, HumanDuration, Json, Phase, RunEvent,
};
use chutes_process::WorkerExit;

pub(super) use self::files::with_files;

use super::cancel::Urgency;
use super::user_code::{PhaseDeadline, StepControl, StepOutcome, Stop, StopExit, StopReason};
use super::worker::{Force, Step, StepExit, StepFailure};

/// How a step ended the run, unless it returned; and the value that it returned in either case.
pub(super) fn of_step(
    step: Step,
    ended: StepOutcome,
    control: &StepControl<'_>,
) -> (Result<(), Ending>, Option<Json>) {
    let phase = control.deadline().phase;
    match ended {
        StepOutcome::ByItself(StepExit::Finished(Ok(value))) => (Ok(()), Some(value)),
        StepOutcome::ByItself(StepExit::Finished(Err(failure))) => {
            let failure = failure_of(&control.name(step), step, failure, phase);
            (Err(Ending::from_failure(failure)), None)
        }
        StepOutcome::ByItself(StepExit::WorkerEnded(exit)) => {
            (Err(Ending::from_failure(without_worker(exit).in_phase(phase))), None)
        }
        StepOutcome::Stopped(end) => {
            let (ending, value) = stopped(step, end, control);
            (Err(ending), value)
        }
    }
}

/// How a job ended that was to serve requests and has not: it is not complete, whatever it returned. A limit alone
/// would not say `why` it was never ready.
pub(super) fn never_ready(ended: Result<(), Ending>, why: Option<String>) -> Ending {
    match (ended, why) {
        (Ok(()), _) => {
            let message =
                "the job ended before it had served a request: its `/health` did not answer 200";
            let failure = Failure::new(FailureKind::JobError, message);
            Ending::from_failure(failure.in_phase(Phase::StreamingStart))
        }
        (Err(Ending::TimedOut(failure)), Some(why)) => {
            let message = format!("{}; {why}", failure.message);
            Ending::TimedOut(Failure { message, ..failure })
        }
        (Err(ending), _) => ending,
    }
}

/// The failure of a step that did not return a value.
pub(super) fn failure_of(name: &str, step: Step, failure: StepFailure, phase: Phase) -> Failure {
    let StepFailure { kind, message, causes, location } = failure;
    let message = match (kind, step) {
        (FailureKind::Panic, _) => panicked(name, &message, location.as_deref()),
        (FailureKind::StartupFailed, _) | (_, Step::Shutdown(_)) => {
            format!("{name} failed: {message}")
        }
        _ => message,
    };
    Failure { causes, location, ..Failure::new(kind, message).in_phase(phase) }
}

fn panicked(name: &str, message: &str, location: Option<&str>) -> String {
    let place = location.map(|place| format!(" at {place}")).unwrap_or_default();
    format!("{name} panicked{place}: {message}")
}

/// The failure of code that took its process with it.
fn without_worker(exit: WorkerExit) -> Failure {
    Failure {
        worker_exit_code: exit.exit_code,
        worker_signal: exit.signal,
        location: exit.location,
        ..Failure::new(exit.kind, exit.message)
    }
}

/// The end of code that was asked to stop, and the value that it still returned.
fn stopped(
    step: Step,
    Stop { reason: stopped, end }: Stop,
    control: &StepControl<'_>,
) -> (Ending, Option<Json>) {
    let PhaseDeadline { phase, limit, .. } = control.deadline();
    let (name, reason) = (control.name(step), stopped.in_words(phase, limit));
    let message = match &end {
        StopExit::NotStarted => format!("{reason} before {name} was started"),
        StopExit::ByItself(_) => reason,
        StopExit::Forced(Force::LeftBehind) => {
            format!("{reason}; {name} does not yield and was left behind")
        }
        StopExit::Forced(force) => {
            let done = force.in_words();
            if control.cancel.urgency() >= Urgency::Now {
                format!("{reason}; {name} was {done} at once")
            } else {
                let grace = HumanDuration(control.grace);
                format!("{reason}; {name} did not end within its grace of {grace} and was {done}")
            }
        }
    };
    let (value, cause) = match end {
        StopExit::NotStarted | StopExit::Forced(_) => (None, None),
        StopExit::ByItself(StepExit::Finished(Ok(value))) => (Some(value), None),
        StopExit::ByItself(StepExit::Finished(Err(failure))) => {
            (None, Some(late_failure(&name, &failure)))
        }
        StopExit::ByItself(StepExit::WorkerEnded(exit)) => (None, Some(exit.message)),
    };
    let mut failure = Failure::new(stopped.kind(), message).in_phase(phase);
    if stopped == StopReason::Cancelled {
        failure.causes.extend(control.cancel.reason().map(str::to_owned));
    }
    failure.causes.extend(cause);
    (Ending::from_failure(failure), value)
}

/// The cause that the failure of a stopped step gets if the step failed within its grace.
fn late_failure(name: &str, failure: &StepFailure) -> String {
    if failure.kind == FailureKind::Panic {
        panicked(name, &failure.message, failure.location.as_deref())
    } else {
        format!("{name} then returned an error: {}", failure.message)
    }
}

/// Reports that code is asked to stop.
pub(super) fn announce(
    events: EventReporter,
    control: &StepControl<'_>,
) -> impl FnOnce(StopReason) {
    move |stopped| {
        let PhaseDeadline { phase, limit, .. } = control.deadline();
        let reason = stopped.in_words(phase, limit);
        events.emit(RunEvent::Stopping { reason, grace: control.grace });
    }
}

/// A failure and its causes on one line, for warnings.
pub(super) fn on_one_line(failure: &Failure) -> String {
    let parts = std::iter::once(&failure.message).chain(&failure.causes);
    parts.map(String::as_str).collect::<Vec<_>>().join(": ")
}
