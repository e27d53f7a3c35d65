//! User code in a container, from the side of the supervisor.
//!
//! A step is a task that talks to the engine and that ends by itself. A request to stop the step, or to end it
//! at once, goes through [`Shared`]: dropping the task instead would not do, because the engine may still carry
//! out a request whose future was dropped half way.

mod body;
mod closed_files;
mod dropped_limit;
mod ending;
mod hosts;
mod job;
mod logs;
mod pid;
mod ports;
mod start;
mod starter;
mod steps;
#[cfg(test)]
mod tests;
mod volumes;

use std::future::ready;
use std::io::{self, PipeReader};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use chutes_core::{
    ClassProfile, ContainerPath, EngineRequest, EventReporter, FailureKind, ImageName, Json,
    PortAddress, Progress, RunId, SecretPairs, Usage,
};
use chutes_engine::{Engine, EngineError};
use chutes_ports::{Connector, ContainerConnector, SocketOwner};
use chutes_process::system_oom_kills;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::job::JobExit;
use self::logs::Pipes;
pub use self::starter::ContainerStarter;
pub(crate) use self::starter::remove_container;
use self::steps::{connect, prepare};
use super::spawn::OutputSettings;
use super::{
    Answer, Force, Hooks, Isolation, Step, StepExit, StepFailure, UsageReader, Worker, platform,
};
use crate::RunDirectory;
use crate::logs::Logs;
use crate::output::Output;

/// How long an engine may take to end a container that was killed.
const KILL_TIME: Duration = Duration::from_secs(20);

/// How long the end of the output may take to reach the log before the tail of standard error is read.
const LAST_TIME: Duration = Duration::from_secs(1);

/// What a container is made from.
#[derive(Clone, Debug)]
pub(crate) struct ContainerSetup {
    pub run_id: RunId,
    pub image: ImageName,
    pub args: Vec<String>,
    pub env: SecretPairs,
    pub network: bool,
    /// The ports of the image, without the SSH port. The engine publishes them at their addresses if the
    /// container has a network; otherwise a [`Relay`](chutes_ports::Relay) does.
    pub ports: Vec<PortAddress>,
    /// The resources that the run may use.
    pub profile: ClassProfile,
    pub artifacts_dir: Option<ContainerPath>,
    pub directory: RunDirectory,
    pub engine: EngineRequest,
}

/// How urgently the container is asked to stop; each request includes the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum StopRequest {
    /// The container may run.
    #[default]
    None,
    /// The container gets its stop signal.
    Stop,
    /// The container is killed.
    Kill,
}

/// A container that is known to an engine.
#[derive(Clone, Debug)]
pub struct ContainerHandle {
    /// The engine and the name of the container, while it runs.
    pub running: watch::Receiver<Option<(Engine, String)>>,
}

/// What the worker and its tasks have in common.
struct Shared {
    setup: ContainerSetup,
    events: EventReporter,
    engine: OnceLock<Engine>,
    stop_request: watch::Sender<StopRequest>,
    /// The first process of the container, by its pid on this machine, while it runs.
    pid: watch::Sender<Option<i32>>,
    /// The engine and the name of the container, while it runs.
    running: watch::Sender<Option<(Engine, String)>>,
    /// The last sample of what the container uses.
    usage: Arc<Mutex<Option<Usage>>>,
    /// The OOM kill count of this machine when the memory in use was last read.
    system_before: AtomicU64,
    warnings: Mutex<Vec<String>>,
}

impl Shared {
    fn warn(&self, warning: String) {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).push(warning);
    }

    fn engine(&self) -> Result<&Engine, EngineError> {
        self.engine.get().ok_or(EngineError::NotConnected)
    }

    /// The name of the container.
    fn name(&self) -> String {
        chutes_engine::name(self.setup.run_id)
    }

    /// How many processes of this machine the kernel has killed for lack of memory since the last reading.
    fn system_oom_kills(&self) -> u64 {
        let before = self.system_before.load(Ordering::Relaxed);
        system_oom_kills().unwrap_or_default().saturating_sub(before)
    }

    /// Waits until at least this was requested.
    async fn stop_requested(&self, at_least: StopRequest) {
        // The sender is a field of this struct, so the channel is open.
        let _ = self.stop_request.subscribe().wait_for(|request| *request >= at_least).await;
    }
}

/// How the task of a step ended.
enum TaskExit {
    Step(StepExit),
    Job(JobExit),
}

/// A container and the tasks that control it.
pub(crate) struct ContainerWorker {
    shared: Arc<Shared>,
    output: Output,
    /// Where the output of the container goes; taken by the step that runs the container.
    pipes: Option<Pipes>,
    task: Option<JoinHandle<TaskExit>>,
    /// How the container ended, until [`Worker::ended`] has returned it.
    job_exit: Option<JobExit>,
    is_alive: bool,
    progress: watch::Sender<Option<Progress>>,
}

impl ContainerWorker {
    /// Prepares a worker. The steps connect to the engine and start the container.
    pub(crate) fn start(
        setup: ContainerSetup,
        spawn: OutputSettings,
        logs: &Logs,
        events: &EventReporter,
    ) -> io::Result<Self> {
        let output =
            |out: PipeReader, err: PipeReader| Output::start((out, err), spawn, logs, events);
        let (pipes, out, err) = Pipes::new()?;
        Ok(Self {
            output: output(out, err)?,
            pipes: Some(pipes),
            shared: Arc::new(Shared {
                setup,
                events: events.clone(),
                engine: OnceLock::new(),
                stop_request: watch::Sender::default(),
                pid: watch::Sender::default(),
                running: watch::Sender::default(),
                usage: Arc::default(),
                system_before: AtomicU64::new(system_oom_kills().unwrap_or_default()),
                warnings: Mutex::default(),
            }),
            task: None,
            job_exit: None,
            is_alive: true,
            progress: watch::Sender::new(None),
        })
    }

    fn begin_step(&mut self, step: Step) {
        let shared = Arc::clone(&self.shared);
        let pipes = matches!(step, Step::Job { .. }).then(|| self.pipes.take()).flatten();
        self.task = Some(tokio::spawn(async move {
            match (step, pipes) {
                (Step::Decode, _) => TaskExit::of(connect(&shared).await),
                (Step::Prepare, _) => TaskExit::of(prepare(&shared).await),
                (Step::Job { .. }, Some(pipes)) => TaskExit::Job(job::run(&shared, pipes).await),
                (Step::Job { .. } | Step::Startup(_) | Step::Shutdown(_), _) => {
                    let message =
                        format!("a container knows no such step: {}", step.name(&Hooks::default()));
                    TaskExit::of(Err(StepFailure::new(FailureKind::Platform, message)))
                }
            }
        }));
    }

    async fn step_ended(&mut self) -> StepExit {
        if self.job_exit.is_none() {
            let Some(task) = &mut self.task else { return std::future::pending().await };
            let joined = task.await;
            self.task = None;
            match joined {
                Ok(TaskExit::Step(end)) => return end,
                Ok(TaskExit::Job(end)) => self.job_exit = Some(end),
                Err(error) => {
                    return StepExit::WorkerEnded(platform(format!("its task ended: {error}")));
                }
            }
            self.is_alive = false;
        }
        // The caller may drop this future here and call the method again.
        self.output.drained(LAST_TIME).await;
        match self.job_exit.take() {
            Some(JobExit::Ended(evidence)) => evidence.end(&self.output.stderr_tail()),
            Some(JobExit::Other(end)) => end,
            None => {
                StepExit::WorkerEnded(platform("it is unknown how the container ended".to_owned()))
            }
        }
    }

    fn request_stop(&self, request: StopRequest) {
        self.shared.stop_request.send_if_modified(|current| {
            let is_more = *current < request;
            *current = request.max(*current);
            is_more
        });
    }

    /// Ends the step. A container got its stop signal when it was asked to stop, so it is killed now.
    async fn force_step(&mut self) -> Force {
        let is_job = self.pipes.is_none();
        self.request_stop(StopRequest::Kill);
        let Some(mut task) = self.task.take() else {
            return if is_job { Force::Killed } else { Force::Aborted };
        };
        if !is_job {
            task.abort();
            // The task was aborted just above, so its error says nothing new.
            let _ = task.await;
            return Force::Aborted;
        }
        self.is_alive = false;
        if let Ok(Ok(TaskExit::Job(JobExit::Ended(_)))) = timeout(KILL_TIME, &mut task).await {
            return Force::Killed;
        }
        task.abort();
        if self.remove().await { Force::Killed } else { Force::LeftBehind }
    }

    /// The first process of the container, by its pid on this machine: from its start to its end, and never
    /// when the engine is on another machine.
    fn pid(&self) -> watch::Receiver<Option<i32>> {
        self.shared.pid.subscribe()
    }

    /// Removes the container, even one that runs, and waits for the end of its output.
    async fn end(mut self) -> Vec<String> {
        if self.task.is_some() {
            self.force_step().await;
        }
        let was_job = self.pipes.is_none();
        drop(self.pipes.take());
        if was_job {
            self.take_files_over().await;
            self.remove().await;
        }
        let missing = self.output.finish().await;
        let mut warnings = self.shared.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut warnings = std::mem::take(&mut *warnings);
        warnings.extend(missing);
        warnings
    }

    /// Makes the files of the container, which has ended, accessible for this user.
    async fn take_files_over(&self) {
        let Some(engine) = self.shared.engine.get() else { return };
        for warning in starter::take_over(engine, &self.shared.name()).await {
            self.shared.warn(warning);
        }
    }

    /// Removes the container. Returns whether it is gone; if not, there is a warning.
    async fn remove(&self) -> bool {
        let Some(engine) = self.shared.engine.get() else { return true };
        match timeout(KILL_TIME, engine.remove(&self.shared.name())).await {
            Ok(Ok(_)) => true,
            Ok(Err(error)) => {
                self.shared.warn(format!("the container may still be there: {error}"));
                false
            }
            Err(_) => {
                let name = self.shared.name();
                let message =
                    format!("the container `{name}` may still be there: it takes too long");
                self.shared.warn(message);
                false
            }
        }
    }
}

impl Worker for ContainerWorker {
    fn begin(&mut self, step: Step) -> Answer<'_, ()> {
        self.begin_step(step);
        Box::pin(ready(()))
    }

    fn ended(&mut self) -> Answer<'_, StepExit> {
        Box::pin(self.step_ended())
    }

    /// Asks the container to stop. A pull in progress is abandoned.
    fn cancel(&mut self) -> Answer<'_, ()> {
        self.request_stop(StopRequest::Stop);
        Box::pin(ready(()))
    }

    fn force(&mut self, _urgent: bool) -> Answer<'_, Force> {
        Box::pin(self.force_step())
    }

    fn is_alive(&self) -> bool {
        self.is_alive
    }

    /// An image has no hooks.
    fn hooks(&self) -> Hooks {
        Hooks::default()
    }

    fn isolation(&self) -> Isolation {
        Isolation::Container(ContainerHandle { running: self.shared.running.subscribe() })
    }

    fn connector(&self) -> Connector {
        let connector = ContainerConnector::new(self.pid());
        let is_published = self.shared.setup.network;
        Connector::Container(if is_published {
            connector.with_published_ports()
        } else {
            connector
        })
    }

    /// The sockets of everything in the container.
    fn socket_owner(&self) -> Option<SocketOwner> {
        Some(SocketOwner::Namespace(self.pid()))
    }

    fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.progress.subscribe()
    }

    fn usage(&self) -> Option<UsageReader> {
        let (shared, usage) = (Arc::downgrade(&self.shared), Arc::clone(&self.shared.usage));
        Some(Arc::new(move || {
            if let Some(shared) = shared.upgrade() {
                let killed = system_oom_kills().unwrap_or_default();
                shared.system_before.store(killed, Ordering::Relaxed);
            }
            *usage.lock().unwrap_or_else(PoisonError::into_inner)
        }))
    }

    fn finish(self: Box<Self>) -> Answer<'static, Vec<String>> {
        Box::pin(self.end())
    }
}

impl TaskExit {
    fn of(result: Result<(), StepFailure>) -> Self {
        Self::Step(StepExit::Finished(result.map(|()| Json::null())))
    }
}

fn failed(error: &EngineError) -> StepFailure {
    StepFailure::new(error.kind(), error.to_string())
}
