//! The status of a run and everything that is written about it. No other module writes a status.

use std::io;
use std::time::Duration;

use chutes_core::{
    Ending, EventReporter, Failure, FailureKind, Outcome, Phase, PhaseReport, PortAddress, Route,
    RunEvent, SshEndpoint, Status, StatusMachine, StreamingEndpoint,
};
use tokio::time::{Instant, sleep_until};

use super::directory::{OUTCOME, RunRoot};
use super::run_log::history::History;
use super::run_log::{Fact, RunLog, RunReport};

/// The life of one run, from `sent` to its outcome.
pub(crate) struct Lifecycle {
    machine: StatusMachine,
    log: RunLog,
    running: Option<(Phase, Option<Duration>, Instant)>,
}

/// A way to reach the run.
pub(crate) enum Endpoint {
    Port(PortAddress),
    Ssh(SshEndpoint),
    Streaming(StreamingEndpoint),
}

impl Lifecycle {
    pub(crate) fn new(log: RunLog, route: Route) -> Self {
        Self { machine: StatusMachine::new(route), log, running: None }
    }

    /// Goes on with a run that another supervisor has left where its log says.
    pub(crate) fn resume(log: RunLog, history: &History) -> Self {
        let status = history.status.unwrap_or(Status::Sent);
        let machine = StatusMachine::at(status, history.spec.route());
        let lifecycle = Self { machine, log, running: None };
        lifecycle.record(Fact::Recovered);
        lifecycle
    }

    /// Writes a fact down, and publishes it.
    ///
    /// A log that cannot be written does not stop the run: the work of the job is worth more than the record of its
    /// steps. The record of its end is another matter, see [`Self::finish`].
    pub(crate) fn record(&self, fact: Fact) {
        if let Err(error) = self.log.record(fact) {
            // Once is enough: every record that follows would say the same.
            let message = format!("cannot write the journal: {error}");
            if !self.log.report().warnings.contains(&message) {
                // It reaches followers and the outcome.
                let _ = self.log.record(Fact::Warning(message));
            }
        }
    }

    /// Goes to a status that is not an end, and writes it down.
    pub(crate) fn advance(&mut self, status: Status) {
        if let Err(error) = self.machine.advance(status) {
            self.warn(error.to_string());
            return;
        }
        self.record(Fact::Status(status));
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
        self.record(Fact::Event(RunEvent::Phase { phase, limit }));
    }

    /// Sets a longer limit of the phase that runs.
    pub(crate) fn extend_phase(&mut self, longer: Duration) {
        if let Some((phase, limit, _)) = &mut self.running {
            *limit = Some(longer);
            let event = RunEvent::Phase { phase: *phase, limit: *limit };
            self.record(Fact::Event(event));
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
            self.record(Fact::Phase(PhaseReport { phase, elapsed: since.elapsed(), limit }));
        }
    }

    /// Records something that does not decide how the run ends, and that its outcome names.
    pub(crate) fn warn(&self, warning: String) {
        self.record(Fact::Warning(warning));
    }

    /// Records where the run can be reached.
    pub(crate) fn reachable(&self, endpoint: Endpoint) {
        self.record(Fact::Event(match endpoint {
            Endpoint::Port(port) => RunEvent::Port(port),
            Endpoint::Ssh(ssh) => RunEvent::Ssh(ssh),
            Endpoint::Streaming(streaming) => RunEvent::Streaming(streaming),
        }));
    }

    /// Takes an event, which is a fact or says how things stand.
    pub(crate) fn emit(&self, event: RunEvent) {
        match Fact::of_event(event) {
            Ok(fact) => self.record(fact),
            Err(event) => self.log.emit(event),
        }
    }

    /// Makes sure, before the outcome, that the log is found in the directory of the run.
    pub(crate) fn keep_log(&self) {
        match self.log.keep_name() {
            Ok(false) => {}
            Ok(true) => self.warn(
                "`run.jsonl` was removed or replaced while the run went on, and was written again".to_owned(),
            ),
            Err(error) => self.warn(format!(
                "`run.jsonl` was removed or replaced while the run went on, and cannot be written again: {error}"
            )),
        }
    }

    /// The log, for what belongs to no step.
    pub(crate) fn log(&self) -> RunLog {
        self.log.clone()
    }

    /// Where components report what happens.
    pub(crate) fn events(&self) -> EventReporter {
        self.log.reporter()
    }

    /// Ends the run: the outcome, then the last status. `manifest` is how writing the manifest went.
    ///
    /// An outcome that cannot be written is a fault of the platform, whatever the job did: from
    /// the directory it could not be known later how the run ended.
    pub(crate) fn finish(
        mut self,
        root: &RunRoot,
        manifest: io::Result<()>,
        outcome: impl FnOnce(RunReport) -> Outcome,
    ) -> Outcome {
        self.end_phase();
        let mut outcome = outcome(self.log.report());
        if let Err(error) = manifest {
            mark_unwritten(&mut outcome, "manifest", &error);
        }
        if let Err(error) = self.machine.advance(outcome.status().into()) {
            mark_unwritten(&mut outcome, "status", &io::Error::other(error));
        }
        let written = match self.log.append(&Fact::Outcome(Box::new(outcome.clone()))) {
            Ok(written) => {
                self.write_file(root, &outcome);
                Some(written)
            }
            Err(error) => {
                mark_unwritten(&mut outcome, "outcome", &error);
                None
            }
        };
        self.log.emit(RunEvent::Status { status: outcome.status().into() });
        self.log.publish_written(written, Fact::Outcome(Box::new(outcome.clone())));
        outcome
    }

    /// Leaves a run that had its outcome before: nothing but what became of its files has changed.
    pub(crate) fn leave(
        mut self,
        root: &RunRoot,
        manifest: io::Result<()>,
        outcome: Outcome,
    ) -> Outcome {
        self.end_phase();
        if let Err(error) = manifest {
            self.warn(format!("cannot write the manifest of the run: {error}"));
        }
        self.record(Fact::Redelivered(outcome.sinks.clone()));
        self.write_file(root, &outcome);
        self.log.emit(RunEvent::Outcome { outcome: Box::new(outcome.clone()) });
        outcome
    }

    /// Writes the outcome as a file of its own. The log has it already.
    fn write_file(&self, root: &RunRoot, outcome: &Outcome) {
        if let Err(error) = write_outcome(root, outcome) {
            let message = format!("cannot write `{OUTCOME}`: {error}");
            self.log.emit(RunEvent::Warning { message });
        }
    }
}

/// Writes `outcome.json`, in one step.
pub(crate) fn write_outcome(root: &RunRoot, outcome: &Outcome) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(outcome)?;
    text.push(b'\n');
    root.replace(OUTCOME, &text)
}

fn mark_unwritten(outcome: &mut Outcome, what: &str, error: &io::Error) {
    let was = outcome.status();
    let message = format!("cannot write the {what} of the run, which would be {was}: {error}");
    let causes = outcome.ending.failure().map(|failure| failure.message.clone());
    let mut failure = Failure::new(FailureKind::Platform, message).in_phase(Phase::Upload);
    failure.causes.extend(causes);
    outcome.ending = Ending::from_failure(failure);
}
