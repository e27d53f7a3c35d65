//! Startup and shutdown hooks of one run.

use chutes_core::{Ending, Phase};

use super::cancel::Urgency;
use super::ending;
use super::lifecycle::Lifecycle;
use super::user_code::StepControl;
use super::worker::{Step, StepExit, Worker};

/// Runs this many startup hooks one after the other, all within one limit. The first that fails ends it.
pub(crate) async fn start(
    worker: &mut dyn Worker,
    count: usize,
    control: &StepControl<'_>,
    lifecycle: &Lifecycle,
) -> Result<(), Ending> {
    for at in 0..count {
        let step = Step::Startup(at);
        let announce = ending::announce(lifecycle.events(), control);
        let ended = control.run(worker, step, announce).await;
        ending::of_step(step, ended, control).0?;
    }
    Ok(())
}

/// Runs this many shutdown hooks one after the other, each for at most the grace of the run or 5 seconds,
/// whichever is longer. Hooks that fail are reported; the others still run.
pub(crate) async fn stop(
    worker: &mut dyn Worker,
    count: usize,
    control: &StepControl<'_>,
    lifecycle: &mut Lifecycle,
) {
    for at in 0..count {
        let step = Step::Shutdown(at);
        if control.cancel.urgency() >= Urgency::Now {
            lifecycle
                .warn(format!("{} was skipped: the run had to end at once", control.name(step)));
            continue;
        }
        if !worker.is_alive() {
            lifecycle.warn(format!("{} was skipped: its process was gone", control.name(step)));
            continue;
        }
        match control.run_last(worker, step).await {
            Ok(StepExit::Finished(Ok(_))) => {}
            Ok(StepExit::Finished(Err(failure))) => {
                let failure = ending::failure_of(&control.name(step), step, failure, Phase::Upload);
                lifecycle.warn(ending::on_one_line(&failure));
            }
            Ok(StepExit::WorkerEnded(exit)) => {
                lifecycle.warn(format!("{} did not end: {}", control.name(step), exit.message));
            }
            Err(force) => {
                let done = force.in_words();
                lifecycle
                    .warn(format!("{} did not end in time and was {done}", control.name(step)));
            }
        }
    }
}
