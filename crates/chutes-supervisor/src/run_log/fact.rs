//! The facts of a run: everything that happens to it and is written down, each once.

use std::collections::BTreeMap;

use chutes_core::{
    Attempt, Delivery, DeliveryState, Ending, Endpoints, JobSpec, Json, LabelName, Outcome,
    PhaseReport, RunEvent, RunId, RunRequest, SinkReport, Status, TraceParent,
};
use serde::{Deserialize, Serialize};

use super::arrivals::AnsweredArrival;
use crate::worker::Hooks;

/// What happened. The first fact of a run is `Run`, the last is `Outcome`, unless files were delivered later.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    /// What was asked for.
    Run(Box<Begin>),
    /// The run went to this status, which is not an end.
    Status(Status),
    /// The hooks of the job, if it has any.
    Hooks(Hooks),
    /// A phase is over.
    Phase(PhaseReport),
    /// The endpoints of the run that were known. Only version 0.1.0 wrote this.
    Endpoints(Endpoints),
    /// How user code ended. From here on the outcome depends on the files only.
    Execution { ending: Ending, result: Option<Json> },
    /// The manifest has all files with their checksums.
    Collected,
    /// A sink has this file.
    Delivered(AnsweredArrival),
    /// A new supervisor recovers the run, whose supervisor had ended.
    Recovered,
    /// A problem that does not decide how the run ends, and that its outcome names.
    Warning(String),
    /// How the run ended.
    Outcome(Box<Outcome>),
    /// The deliveries to each sink after the outcome.
    Redelivered(Vec<SinkReport>),
    /// Anything else that happened, in the form in which followers see it.
    #[serde(untagged)]
    Event(RunEvent),
}

/// What was asked for, in the first record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Begin {
    pub(crate) id: RunId,
    pub(crate) spec: JobSpec,
    /// Whether files may leave the directory of the run.
    pub(crate) uploads: bool,
    #[serde(default, skip_serializing_if = "is_first")]
    pub(crate) attempt: Attempt,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) labels: BTreeMap<LabelName, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace_parent: Option<TraceParent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) requested_by: Option<String>,
}

impl Begin {
    /// A request, with its spec as it may be written down.
    pub(crate) fn new(request: &RunRequest, spec: JobSpec, uploads: bool) -> Self {
        Self {
            id: request.run_id,
            spec,
            uploads,
            attempt: request.attempt,
            labels: request.labels.clone(),
            trace_parent: request.trace_parent,
            requested_by: request.requested_by.clone(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_first(attempt: &Attempt) -> bool {
    *attempt == Attempt::FIRST
}

impl Fact {
    /// The fact that an event is. An event that only says how things stand is given back.
    pub(crate) fn of_event(event: RunEvent) -> Result<Self, RunEvent> {
        match event {
            RunEvent::Phase { .. }
            | RunEvent::CancelRequested { .. }
            | RunEvent::Stopping { .. }
            | RunEvent::Usage(_)
            | RunEvent::File { .. }
            | RunEvent::Port(_)
            | RunEvent::PortReady { .. }
            | RunEvent::Ssh(_)
            | RunEvent::SshClosed { .. }
            | RunEvent::SshKeys { .. }
            | RunEvent::SshLogin { .. }
            | RunEvent::SshRefused { .. }
            | RunEvent::SshLogout { .. }
            | RunEvent::Streaming(_)
            | RunEvent::Warning { .. } => Ok(Self::Event(event)),
            event => Err(event),
        }
    }

    /// Whether the run waits until the fact is on disk. The loss of another one is harmless: a file is delivered once
    /// more, to the same place.
    pub(crate) fn is_essential(&self) -> bool {
        match self {
            // What a run does before user code can be done again. What comes after it has a fact of its own.
            Self::Status(status) => *status == Status::ExecutorReady,
            Self::Run(_)
            | Self::Execution { .. }
            | Self::Collected
            | Self::Recovered
            | Self::Outcome(_)
            | Self::Redelivered(_) => true,
            Self::Hooks(_)
            | Self::Phase(_)
            | Self::Endpoints(_)
            | Self::Delivered(_)
            | Self::Warning(_)
            | Self::Event(_) => false,
        }
    }

    /// What followers see of it. `run_dir` is the directory of the run.
    pub(crate) fn into_event(self, run_dir: &str) -> RunEvent {
        match self {
            Self::Run(begin) => RunEvent::Run {
                run_id: begin.id,
                target: begin.spec.target(),
                run_dir: run_dir.to_owned(),
            },
            Self::Status(status) => RunEvent::Status { status },
            Self::Hooks(Hooks { startup, shutdown }) => RunEvent::Hooks { startup, shutdown },
            Self::Phase(report) => RunEvent::PhaseEnded(report),
            Self::Endpoints(endpoints) => last_endpoint(endpoints),
            Self::Execution { ending, .. } => RunEvent::Execution(ending),
            Self::Collected => RunEvent::Collected,
            Self::Delivered(AnsweredArrival { arrival, to, .. }) => RunEvent::File {
                kind: arrival.kind,
                path: arrival.path,
                delivery: Delivery { sink: to, state: DeliveryState::Delivered },
            },
            Self::Recovered => RunEvent::Recovered,
            Self::Warning(message) => RunEvent::Warning { message },
            Self::Outcome(outcome) => RunEvent::Outcome { outcome },
            Self::Redelivered(_) => RunEvent::Redelivered,
            Self::Event(event) => event,
        }
    }
}

/// What version 0.1.0 added to the endpoints with its record: each record had one more.
fn last_endpoint(endpoints: Endpoints) -> RunEvent {
    match endpoints {
        Endpoints { streaming: Some(streaming), .. } => RunEvent::Streaming(streaming),
        Endpoints { ssh: Some(ssh), .. } => RunEvent::Ssh(ssh),
        Endpoints { mut ports, .. } => match ports.pop() {
            Some(port) => RunEvent::Port(port),
            None => RunEvent::Warning { message: "the run has no endpoints".to_owned() },
        },
    }
}
