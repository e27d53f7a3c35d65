//! One attempt, with its control socket and its observer: from its worker to its outcome.

use chutes_core::{Outcome, Phase, Status};
use futures_util::future::{BoxFuture, join};
use tokio::sync::watch;

use super::CreatedRun;
use super::complete::Completion;
use super::control::{ControlServer, Parts};
use super::lifecycle::Lifecycle;
use super::observer::observe;
use super::supervise::Steps;
use super::worker::StartWorker;

/// Takes an attempt to its outcome, with the worker that this starts.
///
/// The future has a type without parameters, so that its code is generated here and not in every crate that
/// awaits it.
pub(crate) fn boxed(
    created: CreatedRun,
    worker: Box<dyn StartWorker>,
) -> BoxFuture<'static, Outcome> {
    Box::pin(supervise(created, worker))
}

async fn supervise(mut created: CreatedRun, worker: Box<dyn StartWorker>) -> Outcome {
    let observing = observe(created.follow(), created.attempt.observer.take());
    // Both are one future, so that nothing is left of the attempt when it is dropped.
    join(take_to_outcome(created, worker), observing).await.0
}

async fn take_to_outcome(created: CreatedRun, worker: Box<dyn StartWorker>) -> Outcome {
    let parts = watch::Sender::default();
    let output = created.attempt.output.clone();
    let control = ControlServer::of(created.directory.root(), created.controls(parts.subscribe()));
    let outcome = run(created, worker, parts).await;
    output.end();
    if let Some(control) = control {
        control.finish().await;
    }
    outcome
}

async fn run(
    created: CreatedRun,
    worker: Box<dyn StartWorker>,
    parts: watch::Sender<Parts>,
) -> Outcome {
    let CreatedRun { mut attempt, directory, root, log, sinks, made_folders, fetch_settings } =
        created;
    let run_dir = directory.root().display().to_string();
    let events = log.reporter();
    let mut lifecycle = Lifecycle::new(log, attempt.request.spec.route());
    lifecycle.advance(Status::Received);
    lifecycle.begin_phase(Phase::Start, Some(attempt.request.spec.limits.start));
    let steps = Steps::new(&mut attempt, fetch_settings, &directory, &root, &sinks, events, parts);
    let (execution, delivered) = steps.run(&attempt, worker, &mut lifecycle).await;
    let uploads = attempt.uploads();
    let completion = Completion {
        run_id: attempt.request.run_id,
        target: attempt.request.spec.target(),
        has_artifacts: attempt.request.spec.artifacts_dir.is_some(),
        limits: attempt.request.spec.limits,
        run_dir,
        root,
        cancel: attempt.cancel,
        sinks,
        made_folders,
        uploads,
        manifest: None,
        delivered,
        settled: None,
    };
    completion.complete(execution, lifecycle).await
}
