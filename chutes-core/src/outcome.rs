//! The one final record of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    EndStatus, Endpoints, ExitCode, FailureKind, Json, OutputFile, Phase, PhaseReport, RunId,
    SinkReport, Target, Usage,
};

/// Why a run did not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The kind, for programs.
    pub kind: FailureKind,
    /// What happened, for people: a lowercase fragment.
    pub message: String,
    /// The phase in which it happened.
    pub phase: Option<Phase>,
    /// Where a panic happened, as `file:line:column`; `None` when it was no panic.
    pub location: Option<String>,
    /// The causes of the job's error, the nearest first.
    #[serde(default)]
    pub causes: Vec<String>,
    /// The code with which the job's process ended by itself before its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_exit_code: Option<i32>,
    /// The signal that ended the job's process, for instance `SIGSEGV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_signal: Option<String>,
}

impl Failure {
    /// A failure with nothing but a kind and a message.
    ///
    /// ```
    /// use chutes::outcome::{Failure, FailureKind, Phase};
    ///
    /// let failure = Failure::new(FailureKind::JobError, "the disk is full").in_phase(Phase::Execute);
    /// assert_eq!(failure.phase, Some(Phase::Execute));
    /// assert!(failure.location.is_none() && failure.causes.is_empty());
    /// ```
    #[must_use]
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            kind,
            message,
            phase: None,
            location: None,
            causes: Vec::new(),
            worker_exit_code: None,
            worker_signal: None,
        }
    }

    /// The same failure, in this phase.
    #[must_use]
    pub fn in_phase(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }
}

/// How a run ended. Every ending but `completed` has a failure.
///
/// ```
/// use chutes::EndStatus;
/// use chutes::outcome::{Ending, Failure, FailureKind};
///
/// let ending = Ending::Failed(Failure::new(FailureKind::Panic, "the job panicked"));
/// assert_eq!(ending.status(), EndStatus::Failed);
/// assert_eq!(ending.failure().map(|failure| failure.kind), Some(FailureKind::Panic));
/// assert_eq!(Ending::Completed.failure(), None);
/// ```
///
/// In JSON `status` and `failure` side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "record::EndingRecord", try_from = "record::EndingRecord")]
pub enum Ending {
    /// The job returned a value and all of its outputs were delivered.
    Completed,
    /// The run was refused before anything started.
    Rejected(Failure),
    /// The job failed, or its outputs could not be delivered.
    Failed(Failure),
    /// A phase reached its time limit.
    TimedOut(Failure),
    /// The run was asked to stop, and it had not finished by then.
    Cancelled(Failure),
    /// The platform failed, not the job.
    PlatformFailed(Failure),
}

impl Ending {
    /// How a run ends that fails in this way: the one place that decides it, from the kind and the phase of the
    /// failure.
    ///
    /// What refuses a run (`invalid_data`, `invalid_spec`, `port_unavailable`) rejects it in its start phase, or
    /// without a phase. Later something was started already, and the run has failed. An ending that is read, for
    /// instance from a journal, may combine a status and a kind otherwise.
    ///
    /// ```
    /// use chutes::outcome::{Ending, Failure, FailureKind, Phase};
    ///
    /// let taken = Failure::new(FailureKind::PortUnavailable, "port `web` is in use");
    /// let at_start = Ending::from_failure(taken.clone().in_phase(Phase::Start));
    /// assert!(matches!(at_start, Ending::Rejected(_)));
    /// let later = Ending::from_failure(taken.in_phase(Phase::Execute));
    /// assert!(matches!(later, Ending::Failed(_)));
    /// ```
    #[must_use]
    pub fn from_failure(failure: Failure) -> Self {
        use FailureKind as Kind;
        let before_start = matches!(failure.phase, None | Some(Phase::Start));
        match failure.kind {
            Kind::InvalidData | Kind::InvalidSpec | Kind::PortUnavailable if before_start => {
                Self::Rejected(failure)
            }
            Kind::TimeLimit => Self::TimedOut(failure),
            Kind::Cancelled => Self::Cancelled(failure),
            Kind::SupervisorLost | Kind::Platform => Self::PlatformFailed(failure),
            Kind::InvalidData
            | Kind::InvalidSpec
            | Kind::PortUnavailable
            | Kind::ImageUnavailable
            | Kind::DownloadFailed
            | Kind::StartupFailed
            | Kind::JobError
            | Kind::Panic
            | Kind::InvalidResult
            | Kind::Exited
            | Kind::NonzeroReturnCode
            | Kind::Aborted
            | Kind::Crashed
            | Kind::StackOverflow
            | Kind::Killed
            | Kind::OutOfMemory
            | Kind::MemoryLimit
            | Kind::OutputsIncomplete
            | Kind::UploadFailed => Self::Failed(failure),
        }
    }

    /// The status of a run that ended this way.
    #[must_use]
    pub const fn status(&self) -> EndStatus {
        match self {
            Self::Completed => EndStatus::Completed,
            Self::Rejected(_) => EndStatus::Rejected,
            Self::Failed(_) => EndStatus::Failed,
            Self::TimedOut(_) => EndStatus::TimedOut,
            Self::Cancelled(_) => EndStatus::Cancelled,
            Self::PlatformFailed(_) => EndStatus::PlatformFailed,
        }
    }

    /// The failure, unless the run completed.
    #[must_use]
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Completed => None,
            Self::Rejected(failure)
            | Self::Failed(failure)
            | Self::TimedOut(failure)
            | Self::Cancelled(failure)
            | Self::PlatformFailed(failure) => Some(failure),
        }
    }
}

/// The one final record of a run: the last record of its journal, and what `run --json` prints.
///
/// In JSON `status`, `failure` and `exit_code` stand side by side, and reading refuses them when they
/// contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "record::OutcomeRecord", try_from = "record::OutcomeRecord")]
pub struct Outcome {
    /// The run.
    pub run_id: RunId,
    /// What it ran.
    pub target: Target,
    /// How it ended.
    pub ending: Ending,
    /// What the job returned. A run that was stopped has a result when the job still returned one.
    pub result: Option<Json>,
    /// The phases that were entered, in order.
    pub phases: Vec<PhaseReport>,
    /// The output files, sorted by path.
    pub outputs: Vec<OutputFile>,
    /// What the job printed.
    pub logs: Vec<OutputFile>,
    /// The small files that are returned with the result.
    pub artifacts: Vec<OutputFile>,
    /// What became of the files at each sink.
    pub sinks: Vec<SinkReport>,
    /// What went wrong without deciding how the run ended, for instance a failed shutdown hook.
    pub warnings: Vec<String>,
    /// Where it could be reached.
    pub endpoints: Endpoints,
    /// What the job has used, from the start of its worker until its last process had ended. `None` where it is
    /// unknown, for instance in the outcome of a recovered run.
    pub usage: Option<Usage>,
    /// The directory of the run, an absolute path.
    pub run_dir: String,
}

impl Outcome {
    /// The status of the run.
    ///
    /// ```
    /// use chutes::data::Json;
    /// use chutes::{EndStatus, ExitCode, Outcome};
    ///
    /// let printed = r#"{
    ///     "run_id": "0198c0de-89ab-7def-8001-0203040506ff", "job": "train",
    ///     "status": "completed", "result": {"loss": 0.5}, "failure": null, "phases": [],
    ///     "exit_code": 0, "outputs": [], "warnings": [], "run_dir": "/tmp/run"
    /// }"#;
    /// let outcome: Outcome = Json::parse(printed)?.to()?;
    /// assert_eq!(outcome.status(), EndStatus::Completed);
    /// assert_eq!(outcome.exit_code(), ExitCode::COMPLETED);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn status(&self) -> EndStatus {
        self.ending.status()
    }

    /// The exit code of a process that ran nothing but this run.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(&self.ending)
    }
}

mod record {
    //! The JSON form of an outcome: status, failure and exit code side by side.

    use super::{EndStatus, Ending, Endpoints, ExitCode, Failure, Json, Outcome, OutputFile};
    use super::{PhaseReport, RunId, SinkReport, Target, Usage};
    use crate::{ImageName, JobName};

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub(super) struct OutcomeRecord {
        run_id: RunId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobName>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        image: Option<ImageName>,
        status: EndStatus,
        result: Option<Json>,
        failure: Option<Failure>,
        phases: Vec<PhaseReport>,
        exit_code: ExitCode,
        outputs: Vec<OutputFile>,
        #[serde(default)]
        logs: Vec<OutputFile>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        artifacts: Vec<OutputFile>,
        #[serde(default)]
        sinks: Vec<SinkReport>,
        #[serde(default)]
        warnings: Vec<String>,
        #[serde(default, flatten)]
        endpoints: Endpoints,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        usage: Option<Usage>,
        run_dir: String,
    }

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub(super) struct EndingRecord {
        status: EndStatus,
        failure: Option<Failure>,
    }

    impl From<Ending> for EndingRecord {
        fn from(ending: Ending) -> Self {
            Self { status: ending.status(), failure: ending.failure().cloned() }
        }
    }

    impl TryFrom<EndingRecord> for Ending {
        type Error = String;

        fn try_from(record: EndingRecord) -> Result<Self, String> {
            Ok(match (record.status, record.failure) {
                (EndStatus::Completed, None) => Self::Completed,
                (EndStatus::Rejected, Some(failure)) => Self::Rejected(failure),
                (EndStatus::Failed, Some(failure)) => Self::Failed(failure),
                (EndStatus::TimedOut, Some(failure)) => Self::TimedOut(failure),
                (EndStatus::Cancelled, Some(failure)) => Self::Cancelled(failure),
                (EndStatus::PlatformFailed, Some(failure)) => Self::PlatformFailed(failure),
                (EndStatus::Completed, Some(_)) => {
                    return Err("a completed run has no failure".into());
                }
                (status, None) => return Err(format!("a run that is {status} has a failure")),
            })
        }
    }

    impl From<Outcome> for OutcomeRecord {
        fn from(outcome: Outcome) -> Self {
            let (status, exit_code) = (outcome.status(), outcome.exit_code());
            let (job, image) = match outcome.target {
                Target::Job(job) => (Some(job), None),
                Target::Image(image) => (None, Some(image)),
            };
            Self {
                status,
                failure: outcome.ending.failure().cloned(),
                exit_code,
                run_id: outcome.run_id,
                job,
                image,
                result: outcome.result,
                phases: outcome.phases,
                outputs: outcome.outputs,
                logs: outcome.logs,
                artifacts: outcome.artifacts,
                sinks: outcome.sinks,
                warnings: outcome.warnings,
                endpoints: outcome.endpoints,
                usage: outcome.usage,
                run_dir: outcome.run_dir,
            }
        }
    }

    impl TryFrom<OutcomeRecord> for Outcome {
        type Error = String;

        fn try_from(record: OutcomeRecord) -> Result<Self, String> {
            let ending = EndingRecord { status: record.status, failure: record.failure };
            let ending = Ending::try_from(ending)?;
            let exit_code = ExitCode::from(&ending);
            if exit_code != record.exit_code {
                return Err(format!("expected exit code {exit_code}, found {}", record.exit_code));
            }
            let target = match (record.job, record.image) {
                (Some(job), None) => Target::Job(job),
                (None, Some(image)) => Target::Image(image),
                _ => return Err("a run is that of a `job` or of an `image`".into()),
            };
            Ok(Self {
                run_id: record.run_id,
                target,
                ending,
                result: record.result,
                phases: record.phases,
                outputs: record.outputs,
                logs: record.logs,
                artifacts: record.artifacts,
                sinks: record.sinks,
                warnings: record.warnings,
                endpoints: record.endpoints,
                usage: record.usage,
                run_dir: record.run_dir,
            })
        }
    }
}

#[cfg(test)]
mod tests;
