//! The supervisor of a run: takes it through its phases and sees to its one outcome.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chutes_core::{Ending, Json, Limits, Manifest, Outcome, OutputFile, Phase, Status};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::cancel::{CancelHandle, Urgency};
use super::directory::{MANIFEST, RunRoot};
use super::lifecycle::Lifecycle;
use super::user_code::Supervision;
use super::{CreatedRun, Run, RunDirectory, ending, hooks};
use crate::context::{Inner, JobContext};
use crate::definition::PreparedJob;
use crate::event::{Observer, Progress, RunEvent};
use crate::outputs;
use crate::port::RunPorts;
use crate::state::State;

/// How long collecting may take to notice that it is to stop. A read from a disk that does not answer
/// cannot be interrupted.
const STOP_TIME: Duration = Duration::from_secs(5);

/// How user code ended, and what it returned.
type Execution = (Ending, Option<Json>);

pub(super) async fn supervise(created: CreatedRun) -> Outcome {
    let CreatedRun { run, directory, root, journal } = created;
    let mut lifecycle = Lifecycle::new(journal, Arc::clone(&run.observer));
    let supervisor = Supervisor::new(&run, &directory, Arc::clone(&root));
    let ((ending, result), outputs) = supervisor.run(&run, &mut lifecycle).await;
    let manifest = Manifest { run_id: run.id, files: outputs };
    let ending = ending::with_outputs(ending, manifest.failed());
    let text = serde_json::to_vec_pretty(&manifest).map_err(io::Error::other);
    let write = || text.and_then(|text| root.replace(MANIFEST, &text));
    lifecycle.finish(write, |phases, warnings| Outcome {
        run_id: run.id,
        job: run.spec.job,
        ending,
        result,
        phases,
        outputs: manifest.files,
        warnings,
        run_dir: directory.root().display().to_string(),
    })
}

/// Everything about a run while user code is involved.
struct Supervisor {
    context: JobContext,
    limits: Limits,
    runtime: Handle,
    cancel: CancelHandle,
    token: CancellationToken,
    progress: watch::Receiver<Option<Progress>>,
    root: Arc<RunRoot>,
}

impl Supervisor {
    fn new(run: &Run, directory: &RunDirectory, root: Arc<RunRoot>) -> Self {
        let token = CancellationToken::new();
        let (sender, progress) = watch::channel(None);
        let context = JobContext::new(Inner {
            run_id: run.id,
            job: run.spec.job.clone(),
            directory: directory.clone(),
            data: run.spec.data.clone(),
            ports: RunPorts::on_host(run.job.ports(), run.host),
            attempt: 1,
            cancellation: token.clone(),
            progress: sender,
            deadline: OnceLock::new(),
            state: State::default(),
        });
        Self {
            context,
            limits: run.spec.limits,
            runtime: run.runtime.clone().unwrap_or_else(Handle::current),
            cancel: run.cancel.clone(),
            token,
            progress,
            root,
        }
    }

    async fn run(self, run: &Run, lifecycle: &mut Lifecycle) -> (Execution, Vec<OutputFile>) {
        lifecycle.advance(Status::Received);
        lifecycle.begin_phase(Phase::Start, Some(self.limits.start));
        let supervision = self.supervision(Some(self.limits.start));
        let job = match decode(run, &supervision, lifecycle).await {
            Ok(job) => job,
            Err(ending) => return ((ending, None), Vec::new()),
        };
        lifecycle.advance(Status::Accepted);
        let execution = match hooks::start(&self.context, &supervision, lifecycle).await {
            Err(ending) => (ending, None),
            Ok(()) => self.execute(job, lifecycle).await,
        };
        lifecycle.begin_phase(Phase::Upload, Some(self.limits.upload));
        let supervision = self.supervision(Some(self.limits.upload));
        hooks::stop(&self.context, &supervision, lifecycle).await;
        (execution, self.collect(&supervision).await)
    }

    async fn execute(&self, job: PreparedJob, lifecycle: &mut Lifecycle) -> Execution {
        lifecycle.advance(Status::ExecutorReady);
        lifecycle.begin_phase(Phase::Execute, self.limits.execute);
        let supervision = self.supervision(self.limits.execute);
        if let Some(deadline) = supervision.deadline() {
            // Only set here, so it cannot be set already.
            let _ = self.context.inner().deadline.set(deadline);
        }
        let announce = ending::announce(lifecycle, &supervision, Phase::Execute);
        let code = (job.start)(self.context.clone());
        let reporting = report_progress(self.progress.clone(), lifecycle.observer());
        let ended = tokio::select! {
            biased;
            ended = supervision.run(code, announce) => ended,
            never = reporting => match never {},
        };
        self.report_last_progress(lifecycle);
        lifecycle.advance(Status::ExecutionDone);
        ending::of_job(ended, &supervision)
    }

    /// The last report may have come together with the end.
    fn report_last_progress(&self, lifecycle: &Lifecycle) {
        let mut receiver = self.progress.clone();
        let newest = receiver.borrow_and_update().clone();
        if let Some(progress) = newest {
            lifecycle.tell(&RunEvent::Progress(progress));
        }
    }

    fn supervision(&self, limit: Option<Duration>) -> Supervision<'_> {
        Supervision {
            runtime: &self.runtime,
            cancel: &self.cancel,
            token: &self.token,
            begin: Instant::now(),
            limit,
            grace: self.limits.grace,
        }
    }

    /// Collects the outputs, until all are there, the limit is reached, or somebody gives up.
    async fn collect(&self, supervision: &Supervision<'_>) -> Vec<OutputFile> {
        let stop = Arc::new(AtomicBool::new(false));
        let (root, told) = (Arc::clone(&self.root), Arc::clone(&stop));
        let mut collecting =
            tokio::task::spawn_blocking(move || outputs::collect(root.outputs(), &told));
        let ended = tokio::select! {
            biased;
            collected = &mut collecting => Some(collected),
            () = self.cancel.reached(Urgency::GiveUp) => None,
            () = supervision.limit_reached() => None,
        };
        stop.store(true, Ordering::Relaxed);
        let collected = match ended {
            Some(collected) => collected.map_err(|error| error.to_string()),
            None => match timeout(STOP_TIME, collecting).await {
                Ok(collected) => collected.map_err(|error| error.to_string()),
                Err(_) => Err("the disk does not answer".to_owned()),
            },
        };
        collected.unwrap_or_else(|reason| vec![outputs::lost(&reason)])
    }
}

/// Decoding runs code of the job's types, so it is user code.
async fn decode(
    run: &Run,
    supervision: &Supervision<'_>,
    lifecycle: &Lifecycle,
) -> Result<PreparedJob, Ending> {
    let (job, data) = (run.job.clone(), run.spec.data.clone());
    let announce = ending::announce(lifecycle, supervision, Phase::Start);
    let code = Box::pin(async move { job.prepare(&data) });
    ending::of_decoding(supervision.run(code, announce).await, supervision)
}

/// Passes the newest report of the job on, for as long as it is polled.
async fn report_progress(
    mut receiver: watch::Receiver<Option<Progress>>,
    observer: Arc<dyn Observer>,
) -> std::convert::Infallible {
    while receiver.changed().await.is_ok() {
        let newest = receiver.borrow_and_update().clone();
        if let Some(progress) = newest {
            observer.on_event(&RunEvent::Progress(progress));
        }
    }
    std::future::pending().await
}
