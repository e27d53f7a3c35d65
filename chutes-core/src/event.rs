//! The events of a run while it goes on.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Delivery, Ending, Outcome, OutputPath, Phase, PhaseReport, PortAddress, PortName, RunId,
    SshEndpoint, Status, StreamingEndpoint, Target, Urgency, Usage, user_text,
};

/// An event of a run, with its time, and with its number if it is a fact.
///
/// What happened to a run is a *fact*: it is in the log of the run (`run.jsonl`), which numbers it. What only says how
/// things stand (progress, a line of output, a sign of life) has no number, and a reader that is too slow may miss it.
///
/// In JSON one flat object: `seq` (of facts only), `at`, `event` (the name of what happened) and its fields. A run's
/// events are written one per line by `run --events`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Event {
    /// The number of the fact in the log of the run, from 1, without gaps; `None` for what is no fact, and for a fact
    /// that could not be written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// When it happened: UTC as RFC 3339, for instance `2026-11-22T01:02:03.456789Z`.
    pub at: String,
    /// What happened.
    #[serde(flatten)]
    pub what: RunEvent,
}

mod record {
    //! Reading an event. An outcome holds JSON as text, which is lost when fields are flattened, so it
    //! is read by itself.

    use serde::{Deserialize, Deserializer, de::Error};
    use serde_json::value::RawValue;

    use super::{Event, Outcome, RunEvent};

    #[derive(Deserialize)]
    struct Head {
        seq: Option<u64>,
        at: String,
        event: String,
        outcome: Option<Box<Outcome>>,
    }

    impl<'de> Deserialize<'de> for Event {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            let text = Box::<RawValue>::deserialize(from)?;
            let head: Head = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
            let what = match head.outcome {
                Some(outcome) if head.event == "outcome" => RunEvent::Outcome { outcome },
                _ => serde_json::from_str(text.get()).map_err(D::Error::custom)?,
            };
            Ok(Self { seq: head.seq, at: head.at, what })
        }
    }
}

/// Something that happened in a run.
///
/// ```
/// use chutes::event::{RunEvent, Status};
/// use chutes::outcome::Phase;
///
/// fn line(event: &RunEvent) -> Option<String> {
///     match event {
///         RunEvent::Status { status } => Some(status.label().to_owned()),
///         RunEvent::Warning { message } => Some(format!("warning: {message}")),
///         _ => None,
///     }
/// }
///
/// let status = Status::Accepted;
/// assert_eq!(line(&RunEvent::Status { status }).as_deref(), Some("Accepted"));
/// assert_eq!(line(&RunEvent::Phase { phase: Phase::Start, limit: None }), None);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunEvent {
    /// The first event of a run: what was asked for is written down.
    Run {
        /// The run.
        run_id: RunId,
        /// What it runs.
        #[serde(flatten)]
        target: Target,
        /// The directory of the run, an absolute path.
        run_dir: String,
    },
    /// The status changed.
    Status {
        /// The new status.
        status: Status,
    },
    /// A phase began.
    Phase {
        /// Which.
        phase: Phase,
        /// How long it may take; `None` is without limit.
        #[serde(rename = "limit_seconds", with = "crate::seconds::optional")]
        #[schemars(with = "Option<f64>")]
        limit: Option<Duration>,
    },
    /// A phase is over.
    PhaseEnded(PhaseReport),
    /// The job has hooks, by their names in the order of execution.
    Hooks {
        /// Those that run before the job.
        startup: Vec<String>,
        /// Those that run after it.
        shutdown: Vec<String>,
    },
    /// User code has ended, in this way. From here on the outcome depends on the files only.
    Execution(Ending),
    /// All files are collected: the manifest has them with their checksums.
    Collected,
    /// A new supervisor goes on with the run, whose supervisor had ended.
    Recovered,
    /// Sinks have got files after the outcome.
    Redelivered,
    /// How much of the image has been pulled.
    Pull {
        /// The image.
        image: String,
        /// How much, in bytes.
        bytes: u64,
        /// How much there is, in bytes, as far as it is known.
        total: Option<u64>,
    },
    /// How much of an input volume has been fetched.
    Volume {
        /// Its place: `/volume` or a path below it.
        place: String,
        /// How much, in bytes.
        bytes: u64,
        /// How much there is, in bytes, as far as it is known.
        total: Option<u64>,
        /// Whether it came from the cache.
        cached: bool,
        /// Whether it is in place.
        done: bool,
    },
    /// The job reported its progress. Not every report is passed on, but the newest always is.
    Progress(Progress),
    /// The job printed a line.
    Log {
        /// Where.
        stream: LogStream,
        /// The line without its end. Bytes that are not UTF-8 are replaced; very long lines come in
        /// pieces.
        line: String,
    },
    /// The supervisor is alive. Comes at regular intervals, also when nothing else happens.
    Heartbeat {
        /// The time since the run began.
        #[serde(rename = "seconds", with = "crate::seconds")]
        #[schemars(with = "f64")]
        elapsed: Duration,
        /// The memory in use by the job's processes, in bytes, if it is known.
        memory: Option<u64>,
    },
    /// What the job uses, measured now.
    Usage(Usage),
    /// Somebody has asked the run to stop, by its control socket.
    CancelRequested {
        /// How urgently.
        urgency: Urgency,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// On whose behalf, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// The run was asked to stop and has this long to do so.
    Stopping {
        /// Why, for people: a lowercase fragment.
        reason: String,
        /// The time until it is stopped by force.
        #[serde(rename = "grace_seconds", with = "crate::seconds")]
        #[schemars(with = "f64")]
        grace: Duration,
    },
    /// It was settled whether a file reached a sink.
    File {
        /// Whether it is an output or a log.
        kind: FileKind,
        /// Its path.
        #[serde(flatten)]
        path: OutputPath,
        /// What became of it.
        #[serde(flatten)]
        delivery: Delivery,
    },
    /// A port of the run has its address. The job may not have opened it yet.
    Port(PortAddress),
    /// A port accepts connections for the first time, and has answered at its readiness path if it has one.
    PortReady {
        /// The name of the port.
        name: PortName,
        /// Its address.
        #[schemars(with = "String")]
        address: SocketAddr,
    },
    /// The SSH server listens.
    Ssh(SshEndpoint),
    /// The job offers SSH, but this run has no key that could log in.
    SshClosed {
        /// Why: a lowercase fragment.
        reason: String,
    },
    /// Other keys than before may log in by SSH: somebody has asked for that by the control socket.
    SshKeys {
        /// The fingerprints of the keys that may log in from now on.
        added: Vec<String>,
        /// The fingerprints of those that may not any more. Clients that are logged in stay.
        removed: Vec<String>,
    },
    /// A client has logged in by SSH.
    SshLogin {
        /// From where.
        #[schemars(with = "String")]
        peer: SocketAddr,
        /// The name that was given. It does not matter.
        user: String,
        /// The fingerprint of the key.
        key: String,
    },
    /// A client was refused by the SSH server, or did not speak SSH.
    SshRefused {
        /// From where.
        #[schemars(with = "String")]
        peer: SocketAddr,
        /// Why: a lowercase fragment.
        reason: String,
    },
    /// A client that had logged in by SSH is gone.
    SshLogout {
        /// The address of the client.
        #[schemars(with = "String")]
        peer: SocketAddr,
    },
    /// The job serves requests, over TLS.
    Streaming(StreamingEndpoint),
    /// Something went wrong that does not decide how the run ends.
    Warning {
        /// What, for people: a lowercase fragment.
        message: String,
    },
    /// This reader was too slow, and has missed events. None of them was a fact, unless the log of the run could not be
    /// read.
    Missed {
        /// How many.
        events: u64,
    },
    /// The last event of a run.
    #[serde(skip_deserializing)]
    Outcome {
        /// How it ended.
        outcome: Box<Outcome>,
    },
}

/// Whether a file is an output of the job, a log of what it printed, or an artifact, which is returned with its
/// result.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A file of `outputs/`.
    Output,
    /// A file of `logs/`.
    Log,
    /// A file of `artifacts/`.
    Artifact,
}

impl FileKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Output, Self::Log, Self::Artifact];

    /// The folder of such files in the directory of a run, and at a sink: `outputs`, `logs` or
    /// `artifacts`.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Output => "outputs",
            Self::Log => "logs",
            Self::Artifact => "artifacts",
        }
    }
}

/// One of the two output streams of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogStream {
    /// The name of its file in `logs/`.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout.log",
            Self::Stderr => "stderr.log",
        }
    }
}

/// The progress that a job reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Progress {
    /// From 0 to 1.
    pub fraction: f64,
    /// What the job is doing, in at most [`Progress::MAX_MESSAGE`] bytes.
    pub message: String,
}

impl Progress {
    /// The most bytes of a message.
    pub const MAX_MESSAGE: usize = 4 * 1024;

    /// A report. A fraction outside of 0 to 1 is taken as the nearer end, one that is not a number
    /// as 0. A message that is longer than [`Self::MAX_MESSAGE`] is cut, and says so.
    ///
    /// ```
    /// assert_eq!(chutes::event::Progress::new(1.5, "done").fraction, 1.0);
    /// assert_eq!(chutes::event::Progress::new(f64::NAN, "lost").fraction, 0.0);
    /// ```
    #[must_use]
    pub fn new(fraction: f64, message: impl Into<String>) -> Self {
        let fraction = if fraction.is_nan() { 0.0 } else { fraction.clamp(0.0, 1.0) };
        let message = message.into();
        if message.len() <= Self::MAX_MESSAGE {
            return Self { fraction, message };
        }
        Self { fraction, message: user_text::cut(message, Self::MAX_MESSAGE) }
    }
}

#[cfg(test)]
mod tests;
