//! Startup and shutdown hooks of one run.

use chutes_core::{Ending, Failure, FailureKind, Phase};

use super::cancel::Urgency;
use super::ending;
use super::lifecycle::Lifecycle;
use super::user_code::{Ended, Supervision};
use crate::context::JobContext;
use crate::definition::StateValue;
use crate::error::ErrorText;
use crate::registry;

/// Runs the startup hooks one after the other, all within one limit. The first that fails ends it.
pub(crate) async fn start(
    context: &JobContext,
    supervision: &Supervision<'_>,
    lifecycle: &Lifecycle,
) -> Result<(), Ending> {
    for hook in registry::startup_hooks() {
        let name = format!("startup hook `{}`", hook.name);
        let code = (hook.run)(context.clone()).0;
        let announce = ending::announce(lifecycle, supervision, Phase::Start);
        let ended = supervision.run(code, announce).await;
        let state = started_with(ended, &name, supervision)?;
        context.inner().state.insert(hook.name, state).map_err(|conflict| {
            let failure = Failure::new(FailureKind::StartupFailed, conflict.to_string());
            Ending::Failed(failure.in_phase(Phase::Start))
        })?;
    }
    Ok(())
}

fn started_with(
    ended: Ended<Result<StateValue, ErrorText>>,
    name: &str,
    supervision: &Supervision<'_>,
) -> Result<StateValue, Ending> {
    match ended {
        Ended::Finished(Ok(Ok(state))) => Ok(state),
        Ended::Finished(Ok(Err(error))) => {
            let kind = FailureKind::StartupFailed;
            Err(Ending::Failed(ending::hook_error(kind, name, error).in_phase(Phase::Start)))
        }
        Ended::Finished(Err(panic)) => {
            Err(Ending::Failed(ending::panicked(name, &panic).in_phase(Phase::Start)))
        }
        Ended::Stopped(stop) => Err(ending::stopped(name, stop, Phase::Start, supervision).0),
    }
}

/// Runs the shutdown hooks one after the other, each for at most the grace of the run or 5 seconds,
/// whichever is longer. Hooks that
/// fail are reported; the others still run.
pub(crate) async fn stop(
    context: &JobContext,
    supervision: &Supervision<'_>,
    lifecycle: &mut Lifecycle,
) {
    for hook in registry::shutdown_hooks() {
        let name = format!("shutdown hook `{}`", hook.name);
        if supervision.cancel.urgency() >= Urgency::Now {
            lifecycle.warn(format!("{name} was skipped: the run had to end at once"));
            continue;
        }
        let code = (hook.run)(context.clone()).0;
        match supervision.run_last(code).await {
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => {
                let failure = ending::hook_error(FailureKind::JobError, &name, error);
                lifecycle.warn(ending::on_one_line(&failure));
            }
            Some(Err(panic)) => lifecycle.warn(ending::panicked(&name, &panic).message),
            None => lifecycle.warn(format!("{name} did not end in time and was stopped")),
        }
    }
}
