//! The supervisor of a run: takes it through its phases, up to the end of user code.

use std::sync::Arc;
use std::time::Duration;

use chutes_core::{
    Ending, EventReporter, Failure, FailureKind, Json, Limits, Phase, Progress, RunEvent, RunId,
    Status,
};
use tokio::sync::watch;
use tokio::time::Instant;

use super::RunDirectory;
use super::access::{Access, Open};
use super::background::{beat, longer, report_progress, stop_background};
use super::cancel::CancelHandle;
use super::control::Parts;
use super::deliver::Sinks;
use super::directory::RunRoot;
use super::download::{Downloads, FetchSettings, volumes_missing};
use super::lifecycle::Lifecycle;
use super::live::Live;
use super::run_log::{Arrivals, Fact};
use super::user_code::{PhaseDeadline, StepControl};
use super::worker::{Hooks, StartWorker, Step, Worker, WorkerContext};
use super::{Supervisor, ending, hooks};
use crate::json_size::check_size;

/// How user code ended, and what it returned.
#[derive(Debug)]
pub(super) struct Execution {
    pub(super) ending: Ending,
    pub(super) result: Option<Json>,
}

impl Execution {
    /// That of a run which failed in this way.
    pub(super) fn without_result(failure: Failure) -> Self {
        Self { ending: Ending::from_failure(failure), result: None }
    }
}

fn not_started(error: &std::io::Error) -> Execution {
    let message = format!("cannot start the worker: {error}");
    let failure = Failure::new(FailureKind::Platform, message).in_phase(Phase::Start);
    Execution::without_result(failure)
}

/// Everything about an attempt while user code is involved.
pub(super) struct Steps {
    run_id: RunId,
    limits: Limits,
    cancel: CancelHandle,
    events: EventReporter,
    /// Where finished files are delivered to while the job goes on.
    live: Option<Sinks>,
    /// Whether an image is run, which has to be there, and not a job.
    is_image: bool,
    root: Arc<RunRoot>,
    directory: RunDirectory,
    /// What is fetched before user code begins.
    downloads: Option<Downloads>,
    /// Why no worker could take the attempt, if that is so.
    refused: Option<Failure>,
    /// A longer limit of the execute phase, once there is one.
    extension: watch::Receiver<Option<Duration>>,
    /// What can be asked and changed from outside.
    parts: watch::Sender<Parts>,
}

/// Refuses what no worker could take.
fn refused(run: &Supervisor) -> Option<Failure> {
    let failure = if let Err(error) = check_size(&run.job_data()) {
        Failure::new(FailureKind::InvalidData, format!("the data: {error}"))
    } else if let Some(missing) = volumes_missing(run) {
        Failure::new(FailureKind::InvalidSpec, missing)
    } else {
        return None;
    };
    Some(failure.in_phase(Phase::Start))
}

impl Steps {
    pub(super) fn new(
        attempt: &mut Supervisor,
        fetch_settings: Option<FetchSettings>,
        directory: &RunDirectory,
        root: &Arc<RunRoot>,
        sinks: &Sinks,
        events: EventReporter,
        parts: watch::Sender<Parts>,
    ) -> Self {
        let live = attempt.request.live && attempt.uploads();
        // What no worker could take is refused before the volumes are taken out of the spec.
        let refused = refused(attempt);
        Self {
            run_id: attempt.request.run_id,
            limits: attempt.request.spec.limits,
            cancel: attempt.cancel.clone(),
            events,
            live: live.then(|| sinks.clone()),
            is_image: attempt.contract.is_none(),
            root: Arc::clone(root),
            directory: directory.clone(),
            downloads: fetch_settings.map(|settings| attempt.downloads(settings)),
            refused,
            extension: attempt.extension.subscribe(),
            parts,
        }
    }

    /// Starts the worker, and has it carry out all steps.
    pub(super) async fn run(
        &self,
        attempt: &Supervisor,
        start: Box<dyn StartWorker>,
        lifecycle: &mut Lifecycle,
    ) -> (Execution, Arrivals) {
        let access = match &self.refused {
            Some(failure) => Err(failure.clone()),
            None => Access::prepare(attempt, start.is_isolated()),
        };
        let access = match access {
            Ok(access) => access,
            Err(failure) => return (Execution::without_result(failure), Arrivals::default()),
        };
        let (directory, root) = (self.directory.clone(), Arc::clone(&self.root));
        let started = Instant::now();
        let context = WorkerContext::new(attempt, directory, root, &access, self.events.clone());
        match start.start(context).await {
            Ok(worker) => self.run_with(worker, access, started, lifecycle).await,
            Err(error) => (not_started(&error), Arrivals::default()),
        }
    }

    async fn run_with(
        &self,
        mut worker: Box<dyn Worker>,
        access: Access,
        started: Instant,
        lifecycle: &mut Lifecycle,
    ) -> (Execution, Arrivals) {
        let usage = worker.usage();
        self.parts.send_modify(|parts| parts.usage.clone_from(&usage));
        let background = [
            tokio::spawn(report_progress(worker.progress(), self.events.clone())),
            tokio::spawn(beat(started, usage.clone(), lifecycle.log())),
        ];
        let deadline = PhaseDeadline::of(Phase::Start, Some(self.limits.start));
        let decoded = self.first_step(&mut *worker, Step::Decode, deadline, lifecycle).await;
        let accepted = decoded.and_then(|()| {
            let opened = access.open(&*worker, &self.directory, lifecycle);
            opened.map_err(Ending::from_failure)
        });
        let (execution, live) = match accepted {
            Ok(open) => self.accepted(&mut *worker, open, deadline, lifecycle).await,
            Err(ending) => {
                lifecycle.record(Fact::Execution { ending: ending.clone(), result: None });
                (Execution { ending, result: None }, None)
            }
        };
        let progress = worker.progress();
        let warnings = worker.finish().await;
        stop_background(background).await;
        self.report_last_progress(&progress);
        if let Some(usage) = usage.and_then(|usage| usage()) {
            lifecycle.emit(RunEvent::Usage(usage));
        }
        for warning in warnings {
            lifecycle.warn(warning);
        }
        let delivered = match live {
            Some(live) => live.stop().await,
            None => Arrivals::default(),
        };
        (execution, delivered)
    }

    /// Runs what is asked for. Nothing was opened or delivered before: the data might have been wrong.
    async fn accepted(
        &self,
        worker: &mut dyn Worker,
        mut open: Open,
        deadline: PhaseDeadline,
        lifecycle: &mut Lifecycle,
    ) -> (Execution, Option<Live>) {
        lifecycle.advance(Status::Accepted);
        let live = match &self.live {
            Some(sinks) => Live::start(self.run_id, sinks, &self.root, lifecycle.log()).await,
            None => None,
        };
        self.parts.send_modify(|parts| parts.keys = open.keys());
        let execution = self.user_code(worker, &mut open, deadline, lifecycle).await;
        self.parts.send_modify(|parts| parts.keys = None);
        // A client that is logged in could still write where outputs are collected.
        let if_never_open = open.if_never_open(worker);
        open.close(if_never_open, lifecycle).await;
        (execution, live)
    }

    /// All steps of user code. How it ended is on record before the shutdown hooks run.
    async fn user_code(
        &self,
        worker: &mut dyn Worker,
        open: &mut Open,
        deadline: PhaseDeadline,
        lifecycle: &mut Lifecycle,
    ) -> Execution {
        let mut hooks = Hooks::default();
        let ready = match self.start(worker, &mut hooks, open, deadline, lifecycle).await {
            Ok(()) => self.download(lifecycle).await,
            Err(ending) => Err(ending),
        };
        let has_run = ready.is_ok();
        let (ending, result) = match ready {
            Ok(()) => self.execute(worker, &hooks, open, lifecycle).await,
            Err(ending) => (Err(ending), None),
        };
        let ending = ending.err().unwrap_or(Ending::Completed);
        lifecycle.record(Fact::Execution { ending: ending.clone(), result: result.clone() });
        if has_run {
            open.let_sessions_end(&self.cancel, lifecycle).await;
        }
        lifecycle.end_of_user_code();
        lifecycle.begin_phase(Phase::Upload, Some(self.limits.upload));
        let deadline = PhaseDeadline::of(Phase::Upload, Some(self.limits.upload));
        let control = self.control(deadline, &hooks);
        hooks::stop(worker, hooks.shutdown.len(), &control, lifecycle).await;
        Execution { ending, result }
    }

    /// The steps before the job, all within the limit of the start. `hooks` are known when the data is decoded.
    async fn start(
        &self,
        worker: &mut dyn Worker,
        hooks: &mut Hooks,
        open: &mut Open,
        deadline: PhaseDeadline,
        lifecycle: &mut Lifecycle,
    ) -> Result<(), Ending> {
        if self.is_image {
            return self.first_step(worker, Step::Prepare, deadline, lifecycle).await;
        }
        *hooks = worker.hooks();
        if !hooks.is_empty() {
            lifecycle.record(Fact::Hooks(hooks.clone()));
        }
        if !hooks.startup.is_empty() {
            // They may open ports for the job.
            open.job_begins();
        }
        let control = self.control(deadline, hooks);
        hooks::start(worker, hooks.startup.len(), &control, lifecycle).await
    }

    /// One of the steps that come before the hooks.
    async fn first_step(
        &self,
        worker: &mut dyn Worker,
        step: Step,
        deadline: PhaseDeadline,
        lifecycle: &Lifecycle,
    ) -> Result<(), Ending> {
        let hooks = Hooks::default();
        let control = self.control(deadline, &hooks);
        let announce = ending::announce(lifecycle.events(), &control);
        let ended = control.run(worker, step, announce).await;
        ending::of_step(step, ended, &control).0
    }

    /// Everything that user code needs is ready; now what it works on.
    async fn download(&self, lifecycle: &mut Lifecycle) -> Result<(), Ending> {
        lifecycle.advance(Status::ExecutorReady);
        if let Some(downloads) = &self.downloads {
            lifecycle.begin_phase(Phase::Download, Some(self.limits.download));
            downloads.run(&self.root, &self.cancel, lifecycle).await?;
            lifecycle.advance(Status::VolumesReady);
        }
        Ok(())
    }

    /// Runs the job. One that serves requests has to be ready for them in time.
    async fn execute(
        &self,
        worker: &mut dyn Worker,
        hooks: &Hooks,
        open: &mut Open,
        lifecycle: &mut Lifecycle,
    ) -> (Result<(), Ending>, Option<Json>) {
        open.job_begins();
        let deadline = watch::Sender::new(self.first_deadline(open.streams()));
        let control =
            StepControl::following(&self.cancel, deadline.subscribe(), self.limits.grace, hooks);
        let PhaseDeadline { phase, limit, .. } = control.deadline();
        lifecycle.begin_phase(phase, limit);
        let announce = ending::announce(lifecycle.events(), &control);
        let step = Step::Job { time_left: self.time_left(open.streams()) };
        let running = control.run(worker, step, announce);
        tokio::pin!(running);
        let mut extension = self.extension.clone();
        let mut is_ready = !open.streams();
        let ended = loop {
            tokio::select! {
                biased;
                ended = &mut running => break ended,
                () = open.ready(), if !is_ready => {
                    is_ready = true;
                    if let Some(endpoint) = open.serve() {
                        lifecycle.advance(Status::StreamingReady);
                        lifecycle.reachable(endpoint);
                    }
                    lifecycle.begin_phase(Phase::Execute, self.limits.execute);
                    deadline.send_replace(PhaseDeadline::of(Phase::Execute, self.limits.execute));
                }
                limit = longer(&mut extension), if is_ready => {
                    if deadline.send_if_modified(|deadline| deadline.extend(limit)) {
                        lifecycle.extend_phase(limit);
                    }
                }
            }
        };
        let is_cancelled = ended.is_cancelled();
        let (ending, result) = ending::of_step(step, ended, &control);
        if control.deadline().phase == Phase::Execute {
            if !is_cancelled {
                open.job_ended();
            }
            return (ending, result);
        }
        (Err(ending::never_ready(ending, open.why_not_ready())), result)
    }

    /// How long the job has until it serves requests, or to its end if it need not.
    fn first_deadline(&self, streams: bool) -> PhaseDeadline {
        if streams {
            PhaseDeadline::of(Phase::StreamingStart, Some(self.limits.streaming_start))
        } else {
            PhaseDeadline::of(Phase::Execute, self.limits.execute)
        }
    }

    /// How long the job has at most, as far as it is known when it begins.
    fn time_left(&self, streams: bool) -> Option<Duration> {
        let before = if streams { self.limits.streaming_start } else { Duration::ZERO };
        self.limits.execute.map(|limit| limit.saturating_add(before))
    }

    fn control<'a>(&'a self, deadline: PhaseDeadline, hooks: &'a Hooks) -> StepControl<'a> {
        StepControl::new(&self.cancel, deadline, self.limits.grace, hooks)
    }

    /// The last report may have come together with the end.
    fn report_last_progress(&self, progress: &watch::Receiver<Option<Progress>>) {
        let newest = progress.borrow().clone();
        if let Some(progress) = newest {
            self.events.emit(RunEvent::Progress(progress));
        }
    }
}
