//! Startup and shutdown hooks of one run.

use chutes_core::{Ending, Phase};

use super::cancel::Urgency;
use super::ending;
use super::lifecycle::Lifecycle;
use super::user_code::Supervision;
use super::worker::{Step, StepEnd, Worker};

/// Runs this many startup hooks one after the other, all within one limit. The first that fails ends it.
pub(crate) async fn start(
    worker: &mut dyn Worker,
    count: usize,
    supervision: &Supervision<'_>,
    lifecycle: &Lifecycle,
) -> Result<(), Ending> {
    for at in 0..count {
        let step = Step::Startup(at);
        let announce = ending::announce(lifecycle.events(), supervision);
        let ended = supervision.run(worker, step, announce).await;
        ending::of_step(step, ended, supervision).0?;
    }
    Ok(())
}

/// Runs this many shutdown hooks one after the other, each for at most the grace of the run or 5 seconds,
/// whichever is longer. Hooks that fail are reported; the others still run.
pub(crate) async fn stop(
    worker: &mut dyn Worker,
    count: usize,
    supervision: &Supervision<'_>,
    lifecycle: &mut Lifecycle,
) {
    for at in 0..count {
        let step = Step::Shutdown(at);
        if supervision.cancel.urgency() >= Urgency::Now {
            lifecycle.warn(format!(
                "{} was skipped: the run had to end at once",
                supervision.name(step)
            ));
            continue;
        }
        if !worker.is_alive() {
            lifecycle.warn(format!("{} was skipped: its process was gone", supervision.name(step)));
            continue;
        }
        match supervision.run_last(worker, step).await {
            Ok(StepEnd::Finished(Ok(_))) => {}
            Ok(StepEnd::Finished(Err(failure))) => {
                let failure =
                    ending::failure_of(&supervision.name(step), step, failure, Phase::Upload);
                lifecycle.warn(ending::on_one_line(&failure));
            }
            Ok(StepEnd::Died(death)) => {
                lifecycle.warn(format!(
                    "{} did not end: {}",
                    supervision.name(step),
                    death.message
                ));
            }
            Err(force) => {
                let done = force.in_words();
                lifecycle
                    .warn(format!("{} did not end in time and was {done}", supervision.name(step)));
            }
        }
    }
}
