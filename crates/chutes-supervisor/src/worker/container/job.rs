//! The life of a container: started, watched, asked to stop, killed; and how it ended.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerState, ContainerStatsResponse};
use bollard::query_parameters::{
    KillContainerOptionsBuilder, StatsOptionsBuilder, WaitContainerOptionsBuilder,
};
use chutes_core::FailureKind;
use chutes_engine::{Engine, status_code, words};
use chutes_process::Death;
use futures_util::StreamExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::super::StepEnd;
use super::ending::{Evidence, Sent};
use super::logs::{self, Attached, Passing, Pipes};
use super::start::{Started, start};
use super::{Asked, Shared, UNKNOWN, pid, platform};

/// The signal with which an image is stopped that names none.
const STOP_SIGNAL: &str = "SIGTERM";

/// The time between two looks at the memory in use.
const STATS_INTERVAL: Duration = Duration::from_secs(5);

/// How long an engine may be away, for instance while it is restarted.
const ENGINE_AWAY_TIME: Duration = Duration::from_mins(1);

/// When to look whether a container has ended whose output has: Podman tells of an end up to a second later. One
/// that goes on without output is left to it.
const LOOKS: [Duration; 7] = [
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(40),
    Duration::from_millis(80),
    Duration::from_millis(160),
    Duration::from_millis(320),
];

/// The time between two attempts to reach an engine that is away.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// How long an engine may take to pass on the rest of what an ended container has printed.
const LAST_OUTPUT_TIME: Duration = Duration::from_secs(10);

/// How a container came to its end.
pub(super) enum JobEnd {
    /// By itself, or by us.
    Ended(Evidence),
    /// It was never started, or nobody knows.
    Other(StepEnd),
}

/// Runs the container to its end. It is left to be removed.
pub(super) async fn run(shared: &Arc<Shared>, pipes: Pipes) -> JobEnd {
    let Started { attached, memory_limit } = match start(shared).await {
        Ok(started) => started,
        Err(end) => return JobEnd::Other(end),
    };
    let engine = match shared.engine() {
        Ok(engine) => engine,
        Err(error) => return JobEnd::Other(StepEnd::Died(platform(error.to_string()))),
    };
    // Ends with this.
    let mut background = JoinSet::new();
    background.spawn(look_at_memory(Arc::clone(shared)));
    background.spawn(pid::tell(Arc::clone(shared)));
    let mut watch = Watch { shared, engine, name: shared.name(), sent: Sent::Nothing };
    let ended = watch.until_its_end(Passing::begin(attached, pipes)).await;
    match ended.and_then(|state| watch.evidence(&state, memory_limit)) {
        Ok(evidence) => JobEnd::Ended(evidence),
        Err(death) => JobEnd::Other(StepEnd::Died(death)),
    }
}

/// Somebody who looks after a container that runs.
struct Watch<'a> {
    shared: &'a Shared,
    engine: &'a Engine,
    name: String,
    sent: Sent,
}

impl Watch<'_> {
    async fn until_its_end(&mut self, mut passing: Passing) -> Result<ContainerState, Death> {
        loop {
            let was_lost = self.until_it_may_have_ended(&mut passing).await;
            let state = self.state().await?;
            if state.running == Some(true) || state.paused == Some(true) {
                let pipes = if was_lost { passing.take_pipes() } else { None };
                if let Some(pipes) = pipes {
                    passing = Passing::begin(self.attach_again().await?, pipes);
                }
                sleep(RETRY_INTERVAL).await;
                continue;
            }
            if let Err(reason) = passing.finish(LAST_OUTPUT_TIME).await {
                self.shared.warn(format!("some of the container's output is missing: {reason}"));
            }
            return Ok(state);
        }
    }

    /// Does what is asked until the engine says that the container has ended, or says nothing any more;
    /// then the answer is `true`.
    async fn until_it_may_have_ended(&mut self, passing: &mut Passing) -> bool {
        let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
        let mut waited = Box::pin(self.engine.docker().wait_container(&self.name, Some(options)));
        let mut looks = [].iter();
        loop {
            let next = match self.sent {
                Sent::Nothing => Asked::Stop,
                Sent::StopSignal | Sent::Kill => Asked::Kill,
            };
            tokio::select! {
                biased;
                end = waited.next() => {
                    // An exit code that is not zero is an error for the library.
                    return !matches!(end, Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })));
                }
                () = self.shared.asked(next), if self.sent != Sent::Kill => self.pass_on().await,
                () = passing.ended() => looks = LOOKS.iter(),
                () = pause(looks.as_slice().first()) => {
                    looks.next();
                    if self.inspect().await.is_ok_and(|found| has_ended(&found)) {
                        return false;
                    }
                }
            }
        }
    }

    /// Passes on what is asked now.
    async fn pass_on(&mut self) {
        let asked = *self.shared.asked.borrow();
        self.sent = if asked == Asked::Kill { Sent::Kill } else { Sent::StopSignal };
        let signal =
            if asked == Asked::Kill { "SIGKILL".to_owned() } else { self.stop_signal().await };
        let options = KillContainerOptionsBuilder::new().signal(&signal).build();
        match self.engine.docker().kill_container(&self.name, Some(options)).await {
            Ok(()) => {}
            // It has just ended.
            Err(error) if matches!(status_code(&error), Some(404 | 409)) => {}
            Err(error) => {
                let words = words(&error);
                self.shared.warn(format!("the container could not be sent {signal}: {words}"));
            }
        }
    }

    async fn stop_signal(&self) -> String {
        let inspected = self.inspect().await.ok();
        let signal = inspected.and_then(|it| it.config?.stop_signal);
        signal.filter(|signal| !signal.is_empty()).unwrap_or_else(|| STOP_SIGNAL.to_owned())
    }

    /// What the engine says about the container. An engine that is away may come back.
    async fn state(&self) -> Result<ContainerState, Death> {
        let until = Instant::now() + ENGINE_AWAY_TIME;
        loop {
            let error = match self.inspect().await {
                Ok(inspected) => match inspected.state {
                    Some(state) => return Ok(state),
                    None => "it says nothing about the state of the container".to_owned(),
                },
                Err(error) if status_code(&error) == Some(404) => {
                    let message = "somebody has removed the container while it ran".to_owned();
                    let kind = FailureKind::Killed;
                    return Err(Death { kind, ..platform(message) });
                }
                Err(error) => words(&error),
            };
            if Instant::now() >= until || *self.shared.asked.borrow() == Asked::Kill {
                let message = "the container engine has been lost, and the container may still run";
                return Err(platform(format!("{message}: {error}")));
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    async fn inspect(&self) -> Result<bollard::models::ContainerInspectResponse, Error> {
        self.engine.inspect(&self.name).await
    }

    async fn attach_again(&self) -> Result<Attached, Death> {
        let message = "the container engine was away; output from that time is missing";
        self.shared.warn(message.to_owned());
        logs::attach(self.engine, &self.name).await.map_err(|error| {
            let words = words(&error);
            platform(format!("the output of the container cannot be read any more: {words}"))
        })
    }

    fn evidence(
        &self,
        state: &ContainerState,
        memory_limit: Option<u64>,
    ) -> Result<Evidence, Death> {
        let unknown = || platform("the engine does not know how the container ended".to_owned());
        let exit_code = state.exit_code.ok_or_else(unknown)?;
        let oom_killed = state.oom_killed.unwrap_or(false);
        if oom_killed && exit_code == 0 {
            let message = "a process of the container was killed because there was no memory left";
            self.shared.warn(message.to_owned());
        }
        // What the kernel of this machine does says nothing about other machines.
        let is_local = self.engine.is_local();
        let system_oom_kills = if is_local { self.shared.system_oom_kills() } else { 0 };
        let command = self.shared.setup.args.first().cloned();
        let sent = self.sent;
        Ok(Evidence { exit_code, oom_killed, system_oom_kills, memory_limit, sent, command })
    }
}

fn has_ended(found: &bollard::models::ContainerInspectResponse) -> bool {
    found.state.as_ref().is_some_and(|state| state.running == Some(false))
}

/// Waits for this time, or for ever.
async fn pause(time: Option<&Duration>) {
    match time {
        Some(time) => sleep(*time).await,
        None => std::future::pending().await,
    }
}

/// Looks at the memory in use now and then, for as long as this is not dropped.
async fn look_at_memory(shared: Arc<Shared>) {
    let Ok(engine) = shared.engine() else { return };
    let name = shared.name();
    loop {
        sleep(STATS_INTERVAL).await;
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut stats = Box::pin(engine.docker().stats(&name, Some(options)));
        let answer = timeout(STATS_INTERVAL, stats.next()).await;
        let bytes = answer.ok().flatten().and_then(Result::ok).and_then(|stats| in_use(&stats));
        shared.memory.store(bytes.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }
}

/// The memory in use, without files that could be read again.
fn in_use(stats: &ContainerStatsResponse) -> Option<u64> {
    let memory = stats.memory_stats.as_ref()?;
    let of_files = memory.stats.as_ref().and_then(|stats| {
        stats.get("inactive_file").or_else(|| stats.get("total_inactive_file")).copied()
    });
    let usage = memory.usage.filter(|usage| *usage > 0)?;
    Some(usage.saturating_sub(of_files.unwrap_or_default()))
}
