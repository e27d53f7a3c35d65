//! The status of a run and everything that is written about it. Nobody else writes a status.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chutes_core::{
    Ending, Failure, FailureKind, Outcome, Phase, PhaseReport, Status, StatusMachine,
};
use tokio::time::Instant;

use super::journal::{Entry, Journal};
use crate::event::{Observer, RunEvent};

/// The life of one run, from `sent` to its outcome.
pub(crate) struct Lifecycle {
    machine: StatusMachine,
    journal: Journal,
    observer: Arc<dyn Observer>,
    phases: Vec<PhaseReport>,
    running: Option<(Phase, Option<Duration>, Instant)>,
    warnings: Vec<String>,
}

impl Lifecycle {
    pub(crate) fn new(journal: Journal, observer: Arc<dyn Observer>) -> Self {
        let machine = StatusMachine::new(chutes_core::Route::default());
        Self { machine, journal, observer, phases: Vec::new(), running: None, warnings: Vec::new() }
    }

    /// Goes to a status that is not an end, and writes it down.
    ///
    /// A journal that cannot be written does not stop the run: the work of the job is worth more
    /// than the record of its steps. The record of its end is another matter, see [`Self::finish`].
    pub(crate) fn advance(&mut self, status: Status) {
        if let Err(error) = self.machine.advance(status) {
            self.warn(error.to_string());
            return;
        }
        if let Err(error) = self.journal.append(Entry::Status(status)) {
            self.warn(format!("cannot write the journal: {error}"));
        }
        self.tell(&RunEvent::Status(status));
    }

    /// Ends the phase that runs, if one does, and begins another.
    pub(crate) fn begin_phase(&mut self, phase: Phase, limit: Option<Duration>) {
        self.end_phase();
        self.running = Some((phase, limit, Instant::now()));
        self.tell(&RunEvent::Phase(phase, limit));
    }

    fn end_phase(&mut self) {
        if let Some((phase, limit, since)) = self.running.take() {
            self.phases.push(PhaseReport { phase, elapsed: since.elapsed(), limit });
        }
    }

    /// Records something that does not decide how the run ends.
    pub(crate) fn warn(&mut self, warning: String) {
        self.tell(&RunEvent::Warning(warning.clone()));
        self.warnings.push(warning);
    }

    pub(crate) fn tell(&self, event: &RunEvent) {
        self.observer.on_event(event);
    }

    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::clone(&self.observer)
    }

    /// Ends the run: the manifest first, then the outcome, then the last status.
    ///
    /// An outcome that cannot be written is a fault of the platform, whatever the job did: nobody
    /// who looks at the directory later can know how the run ended.
    pub(crate) fn finish(
        mut self,
        manifest: impl FnOnce() -> io::Result<()>,
        outcome: impl FnOnce(Vec<PhaseReport>, Vec<String>) -> Outcome,
    ) -> Outcome {
        let written = manifest();
        self.end_phase();
        let phases = std::mem::take(&mut self.phases);
        let warnings = std::mem::take(&mut self.warnings);
        let mut outcome = outcome(phases, warnings);
        if let Err(error) = written {
            mark_unwritten(&mut outcome, "manifest", &error);
        }
        if let Err(error) = self.machine.advance(outcome.status().into()) {
            mark_unwritten(&mut outcome, "status", &io::Error::other(error));
        }
        if let Err(error) = self.journal.append(Entry::Outcome(&outcome)) {
            mark_unwritten(&mut outcome, "outcome", &error);
        }
        self.tell(&RunEvent::Status(outcome.status().into()));
        outcome
    }
}

fn mark_unwritten(outcome: &mut Outcome, what: &str, error: &io::Error) {
    let was = outcome.status();
    let message = format!("cannot write the {what} of the run, which would be {was}: {error}");
    let causes = outcome.ending.failure().map(|failure| failure.message.clone());
    let mut failure = Failure::new(FailureKind::Platform, message).in_phase(Phase::Upload);
    failure.causes.extend(causes);
    outcome.ending = Ending::HordeFailed(failure);
}
