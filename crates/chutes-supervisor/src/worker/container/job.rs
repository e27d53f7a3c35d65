//! Runs a container to its end: starts it, waits for it, forwards stop requests, and collects the evidence.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chutes_core::FailureKind;
use chutes_engine::{ContainerOutput, ContainerState, Engine, EngineError};
use chutes_process::WorkerExit;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::StepExit;
use super::ending::{Evidence, Sent};
use super::logs::{OutputForwarder, Pipes};
use super::start::{Started, start};
use super::{Shared, StopRequest, pid, platform};

/// The stop signal of an image that declares none.
const STOP_SIGNAL: &str = "SIGTERM";

/// The time between two samples of what the container uses.
const STATS_INTERVAL: Duration = Duration::from_secs(5);

/// How long an engine may be unreachable, for instance while it restarts.
const ENGINE_AWAY_TIME: Duration = Duration::from_mins(1);

/// The pauses between checks whether a container whose output has ended has ended itself: Podman reports the end
/// up to a second later. After the last check only the report counts, since a container may go on without
/// output.
const END_CHECKS: [Duration; 7] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];

/// The time between two attempts to reach an engine that does not answer.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// How long an engine may take to send the rest of the output of an ended container.
const LAST_OUTPUT_TIME: Duration = Duration::from_secs(10);

/// How the step of a container ended.
pub(super) enum JobExit {
    /// The container ended, by itself or by a signal of this process.
    Ended(Evidence),
    /// The container was never started, or its end is unknown.
    Other(StepExit),
}

/// Runs the container to its end. The caller removes it.
pub(super) async fn run(shared: &Arc<Shared>, pipes: Pipes) -> JobExit {
    let Started { attached, memory_limit } = match start(shared).await {
        Ok(started) => started,
        Err(end) => return JobExit::Other(end),
    };
    let engine = match shared.engine() {
        Ok(engine) => engine,
        Err(error) => return JobExit::Other(StepExit::WorkerEnded(platform(error.to_string()))),
    };
    // These tasks end when the set is dropped at the end of this function.
    let mut background = JoinSet::new();
    background.spawn(sample_usage(Arc::clone(shared)));
    background.spawn(pid::publish(Arc::clone(shared)));
    let mut watch = Watch { shared, engine, name: shared.name(), sent: Sent::Nothing };
    let ended = watch.until_its_end(OutputForwarder::begin(attached, pipes)).await;
    match ended.and_then(|state| watch.evidence(&state, memory_limit)) {
        Ok(evidence) => JobExit::Ended(evidence),
        Err(exit) => JobExit::Other(StepExit::WorkerEnded(exit)),
    }
}

/// Watches a running container and forwards stop requests to it.
struct Watch<'a> {
    shared: &'a Shared,
    engine: &'a Engine,
    name: String,
    sent: Sent,
}

impl Watch<'_> {
    async fn until_its_end(
        &mut self,
        mut output: OutputForwarder,
    ) -> Result<ContainerState, WorkerExit> {
        loop {
            let was_lost = self.until_it_may_have_ended(&mut output).await;
            let state = self.state().await?;
            if state.running == Some(true) || state.paused {
                let pipes = if was_lost { output.take_pipes() } else { None };
                if let Some(pipes) = pipes {
                    output = OutputForwarder::begin(self.attach_again().await?, pipes);
                }
                sleep(RETRY_INTERVAL).await;
                continue;
            }
            if let Err(reason) = output.finish(LAST_OUTPUT_TIME).await {
                self.shared.warn(format!("some of the container's output is missing: {reason}"));
            }
            return Ok(state);
        }
    }

    /// Forwards stop requests until the container has ended or the engine has stopped answering. Returns whether
    /// it is the engine that was lost.
    async fn until_it_may_have_ended(&mut self, output: &mut OutputForwarder) -> bool {
        let name = self.name.clone();
        let mut waited = self.engine.wait(&name);
        let mut checks = [].iter();
        loop {
            let next = match self.sent {
                Sent::Nothing => StopRequest::Stop,
                Sent::StopSignal | Sent::Kill => StopRequest::Kill,
            };
            tokio::select! {
                biased;
                has_ended = &mut waited => return !has_ended,
                () = self.shared.stop_requested(next), if self.sent != Sent::Kill => {
                    self.forward_request().await;
                }
                () = output.ended() => checks = END_CHECKS.iter(),
                () = pause(checks.as_slice().first()) => {
                    checks.next();
                    if matches!(self.inspect().await, Ok(Some(found)) if found.running == Some(false)) {
                        return false;
                    }
                }
            }
        }
    }

    /// Sends the container the signal of the current stop request.
    async fn forward_request(&mut self) {
        let request = *self.shared.stop_request.borrow();
        self.sent = if request == StopRequest::Kill { Sent::Kill } else { Sent::StopSignal };
        let signal = if request == StopRequest::Kill {
            "SIGKILL".to_owned()
        } else {
            self.stop_signal().await
        };
        if let Err(error) = self.engine.kill(&self.name, &signal).await {
            let reason = error.reason();
            self.shared.warn(format!("the container could not be sent {signal}: {reason}"));
        }
    }

    async fn stop_signal(&self) -> String {
        let found = self.inspect().await.ok().flatten();
        found.and_then(|state| state.stop_signal).unwrap_or_else(|| STOP_SIGNAL.to_owned())
    }

    /// The state of the container. An engine that does not answer is asked again for a while.
    async fn state(&self) -> Result<ContainerState, WorkerExit> {
        let until = Instant::now() + ENGINE_AWAY_TIME;
        loop {
            let error = match self.inspect().await {
                Ok(Some(state)) => return Ok(state),
                Ok(None) => "it says nothing about the state of the container".to_owned(),
                Err(error) if error.is_unknown() => {
                    let message = "somebody has removed the container while it ran".to_owned();
                    let kind = FailureKind::Killed;
                    return Err(WorkerExit { kind, ..platform(message) });
                }
                Err(error) => error.reason(),
            };
            if Instant::now() >= until || *self.shared.stop_request.borrow() == StopRequest::Kill {
                let message = "the container engine has been lost, and the container may still run";
                return Err(platform(format!("{message}: {error}")));
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn inspect(&self) -> Result<Option<ContainerState>, EngineError> {
        self.engine.inspect(&self.name).await
    }

    async fn attach_again(&self) -> Result<ContainerOutput, WorkerExit> {
        let message = "the container engine was away; output from that time is missing";
        self.shared.warn(message.to_owned());
        self.engine.attach(&self.name).await.map_err(|error| {
            let reason = error.reason();
            platform(format!("the output of the container cannot be read any more: {reason}"))
        })
    }

    fn evidence(
        &self,
        state: &ContainerState,
        memory_limit: Option<u64>,
    ) -> Result<Evidence, WorkerExit> {
        let unknown = || platform("the engine does not know how the container ended".to_owned());
        let exit_code = state.exit_code.ok_or_else(unknown)?;
        let oom_killed = state.oom_killed;
        if oom_killed && exit_code == 0 {
            let message = "a process of the container was killed because there was no memory left";
            self.shared.warn(message.to_owned());
        }
        // The OOM kill count of this machine says nothing about a container on another one.
        let is_local = self.engine.is_local();
        let system_oom_kills = if is_local { self.shared.system_oom_kills() } else { 0 };
        let command = self.shared.setup.args.first().cloned();
        let sent = self.sent;
        Ok(Evidence { exit_code, oom_killed, system_oom_kills, memory_limit, sent, command })
    }
}

/// Waits for this time; for ever if there is none.
async fn pause(time: Option<&Duration>) {
    match time {
        Some(time) => sleep(*time).await,
        None => std::future::pending().await,
    }
}

/// Samples what the container uses until the future is dropped.
async fn sample_usage(shared: Arc<Shared>) {
    let Ok(engine) = shared.engine() else { return };
    let name = shared.name();
    loop {
        if let Ok(Some(now)) = timeout(STATS_INTERVAL, engine.usage(&name)).await {
            let mut usage = shared.usage.lock().unwrap_or_else(PoisonError::into_inner);
            *usage = Some(now.after(usage.unwrap_or_default()));
        }
        sleep(STATS_INTERVAL).await;
    }
}
