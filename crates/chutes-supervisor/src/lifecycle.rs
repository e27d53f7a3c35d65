//! The status of a run and everything that is written about it. No other module writes a status.

use std::io;
use std::time::Duration;

use chutes_core::{
    Ending, Endpoints, EventReporter, Failure, FailureKind, Outcome, Phase, PhaseReport,
    PortAddress, Route, RunEvent, SshEndpoint, Status, StatusMachine, StreamingEndpoint,
};
use tokio::time::{Instant, sleep_until};

use super::directory::RunRoot;
use super::journal::history::History;
use super::journal::{Entry, Journal, SharedJournal};

/// The life of one run, from `sent` to its outcome.
pub(crate) struct Lifecycle {
    machine: StatusMachine,
    journal: SharedJournal,
    events: EventReporter,
    phases: Vec<PhaseReport>,
    running: Option<(Phase, Option<Duration>, Instant)>,
    warnings: Vec<String>,
    endpoints: Endpoints,
}

/// A way to reach the run.
pub(crate) enum Endpoint {
    Port(PortAddress),
    Ssh(SshEndpoint),
    Streaming(StreamingEndpoint),
}

/// What was reported in the course of the run and belongs into its outcome.
pub(crate) struct RunReport {
    pub phases: Vec<PhaseReport>,
    pub warnings: Vec<String>,
    pub endpoints: Endpoints,
}

impl Lifecycle {
    pub(crate) fn new(journal: Journal, events: EventReporter, route: Route) -> Self {
        let journal = SharedJournal::new(journal);
        let machine = StatusMachine::new(route);
        Self {
            machine,
            journal,
            events,
            phases: Vec::new(),
            running: None,
            warnings: Vec::new(),
            endpoints: Endpoints::default(),
        }
    }

    /// Goes on with a run that another supervisor has left where its journal says.
    pub(crate) fn resume(journal: Journal, events: EventReporter, history: &History) -> Self {
        let journal = SharedJournal::new(journal);
        let status = history.status.unwrap_or(Status::Sent);
        let machine = StatusMachine::at(status, history.spec.route());
        let (phases, warnings) = (history.phases.clone(), history.warnings.clone());
        let endpoints = history.endpoints.clone();
        let mut lifecycle =
            Self { machine, journal, events, phases, running: None, warnings, endpoints };
        lifecycle.record(Entry::Recovered);
        lifecycle
    }

    /// Writes something down.
    ///
    /// A journal that cannot be written does not stop the run: the work of the job is worth more
    /// than the record of its steps. The record of its end is another matter, see [`Self::finish`].
    pub(crate) fn record(&mut self, entry: Entry<'_>) {
        if let Err(error) = self.journal.append(entry) {
            // Once is enough: every record that follows would say the same.
            let message = format!("cannot write the journal: {error}");
            if !self.warnings.contains(&message) {
                self.emit(RunEvent::Warning { message: message.clone() });
                self.warnings.push(message);
            }
        }
    }

    /// Goes to a status that is not an end, and writes it down.
    pub(crate) fn advance(&mut self, status: Status) {
        if let Err(error) = self.machine.advance(status) {
            self.warn(error.to_string());
            return;
        }
        self.record(Entry::Status(status));
        self.emit(RunEvent::Status { status });
    }

    /// Says that user code has ended, if everything was ready for it.
    pub(crate) fn end_of_user_code(&mut self) {
        if self.machine.may_advance(Status::ExecutionDone) {
            self.advance(Status::ExecutionDone);
        }
    }

    /// Ends the phase that runs, if one does, and begins another.
    pub(crate) fn begin_phase(&mut self, phase: Phase, limit: Option<Duration>) {
        self.end_phase();
        self.running = Some((phase, limit, Instant::now()));
        self.emit(RunEvent::Phase { phase, limit });
    }

    /// Sets a longer limit of the phase that runs.
    pub(crate) fn extend_phase(&mut self, longer: Duration) {
        if let Some((phase, limit, _)) = &mut self.running {
            *limit = Some(longer);
            let event = RunEvent::Phase { phase: *phase, limit: *limit };
            self.emit(event);
        }
    }

    /// Whether this phase runs.
    pub(crate) fn is_in_phase(&self, phase: Phase) -> bool {
        self.running.is_some_and(|(running, ..)| running == phase)
    }

    /// Whether the spec and the data were in order, so that something may have been started.
    pub(crate) fn was_accepted(&self) -> bool {
        self.machine.current() > Status::Received
    }

    /// The limit of the phase that runs, if it has one.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.running.and_then(|(_, limit, _)| limit)
    }

    /// When the limit of the phase is reached that runs; `None` if it has none, or if it is out of sight.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.running.and_then(|(_, limit, since)| since.checked_add(limit?))
    }

    /// Waits for the limit of the phase that runs, perhaps for ever.
    pub(crate) async fn limit_reached(&self) {
        match self.deadline() {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    fn end_phase(&mut self) {
        if let Some((phase, limit, since)) = self.running.take() {
            let report = PhaseReport { phase, elapsed: since.elapsed(), limit };
            self.record(Entry::Phase(report));
            add_phase(&mut self.phases, report);
        }
    }

    /// Records something that does not decide how the run ends.
    pub(crate) fn warn(&mut self, warning: String) {
        self.emit(RunEvent::Warning { message: warning.clone() });
        self.keep_warning(warning);
    }

    /// Keeps a warning that has been reported already.
    pub(crate) fn keep_warning(&mut self, warning: String) {
        self.record(Entry::Warning(&warning));
        self.warnings.push(warning);
    }

    /// Notes where the run can be reached, and says so.
    pub(crate) fn reachable(&mut self, endpoint: Endpoint) {
        let event = match endpoint {
            Endpoint::Port(port) => {
                self.endpoints.ports.push(port.clone());
                RunEvent::Port(port)
            }
            Endpoint::Ssh(ssh) => RunEvent::Ssh(self.endpoints.ssh.insert(ssh).clone()),
            Endpoint::Streaming(streaming) => {
                RunEvent::Streaming(self.endpoints.streaming.insert(streaming).clone())
            }
        };
        self.emit(event);
        let endpoints = self.endpoints.clone();
        self.record(Entry::Endpoints(&endpoints));
    }

    pub(crate) fn emit(&self, event: RunEvent) {
        self.events.emit(event);
    }

    /// Makes sure, before the outcome, that the journal is found in the directory of the run.
    pub(crate) fn keep_journal(&mut self, root: &RunRoot) {
        match self.journal.keep_name(root) {
            Ok(false) => {}
            Ok(true) => self.warn(
                "`run.json` was removed or replaced while the run went on, and was written again".to_owned(),
            ),
            Err(error) => self.warn(format!(
                "`run.json` was removed or replaced while the run went on, and cannot be written again: {error}"
            )),
        }
    }

    /// The journal, for records that belong to no step.
    pub(crate) fn journal(&self) -> SharedJournal {
        self.journal.clone()
    }

    pub(crate) fn events(&self) -> EventReporter {
        self.events.clone()
    }

    /// Ends the run: the outcome, then the last status. `manifest` is how writing the manifest went.
    ///
    /// An outcome that cannot be written is a fault of the platform, whatever the job did: from
    /// the directory it could not be known later how the run ended.
    pub(crate) fn finish(
        mut self,
        manifest: io::Result<()>,
        outcome: impl FnOnce(RunReport) -> Outcome,
    ) -> Outcome {
        self.end_phase();
        let mut outcome = outcome(RunReport {
            phases: std::mem::take(&mut self.phases),
            warnings: std::mem::take(&mut self.warnings),
            endpoints: std::mem::take(&mut self.endpoints),
        });
        if let Err(error) = manifest {
            mark_unwritten(&mut outcome, "manifest", &error);
        }
        if let Err(error) = self.machine.advance(outcome.status().into()) {
            mark_unwritten(&mut outcome, "status", &io::Error::other(error));
        }
        if let Err(error) = self.journal.append(Entry::Outcome(&outcome)) {
            mark_unwritten(&mut outcome, "outcome", &error);
        }
        self.emit(RunEvent::Status { status: outcome.status().into() });
        self.emit(RunEvent::Outcome { outcome: Box::new(outcome.clone()) });
        outcome
    }

    /// Leaves a run that had its outcome before: nothing but what became of its files has changed.
    pub(crate) fn leave(mut self, manifest: io::Result<()>, outcome: Outcome) -> Outcome {
        self.end_phase();
        if let Err(error) = manifest {
            self.warn(format!("cannot write the manifest of the run: {error}"));
        }
        self.record(Entry::Redelivered(&outcome.sinks));
        self.emit(RunEvent::Outcome { outcome: Box::new(outcome.clone()) });
        outcome
    }
}

/// Adds the time of a phase. One that was interrupted and begun again is still one phase.
pub(crate) fn add_phase(phases: &mut Vec<PhaseReport>, report: PhaseReport) {
    match phases.last_mut() {
        Some(last) if last.phase == report.phase => last.elapsed += report.elapsed,
        _ => phases.push(report),
    }
}

fn mark_unwritten(outcome: &mut Outcome, what: &str, error: &io::Error) {
    let was = outcome.status();
    let message = format!("cannot write the {what} of the run, which would be {was}: {error}");
    let causes = outcome.ending.failure().map(|failure| failure.message.clone());
    let mut failure = Failure::new(FailureKind::Platform, message).in_phase(Phase::Upload);
    failure.causes.extend(causes);
    outcome.ending = Ending::from_failure(failure);
}
