//! What goes on beside user code until it is stopped: reports of progress, signs of life.

use std::convert::Infallible;
use std::time::Duration;

use chutes_core::{EventReporter, Progress, RunEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::run_log::RunLog;
use super::worker::UsageReader;

/// The time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// What the run uses is written down with each sixth sign of life: once a minute.
const BEATS_PER_USAGE: u32 = 6;

/// Passes the newest report of the job on, until it is stopped.
pub(super) async fn report_progress(
    mut receiver: watch::Receiver<Option<Progress>>,
    events: EventReporter,
) -> Infallible {
    while receiver.changed().await.is_ok() {
        let newest = receiver.borrow_and_update().clone();
        if let Some(progress) = newest {
            events.emit(RunEvent::Progress(progress));
        }
    }
    std::future::pending().await
}

/// Reports at regular intervals that the run goes on, until it is stopped.
pub(super) async fn beat(started: Instant, usage: Option<UsageReader>, log: RunLog) -> Infallible {
    let mut interval = interval(HEARTBEAT);
    interval.tick().await;
    for beat in 1_u32.. {
        interval.tick().await;
        let usage = usage.as_ref().and_then(|usage| usage());
        let memory = usage.and_then(|usage| usage.memory);
        log.emit(RunEvent::Heartbeat { elapsed: started.elapsed(), memory });
        if let Some(usage) = usage.filter(|_| beat.is_multiple_of(BEATS_PER_USAGE)) {
            log.emit(RunEvent::Usage(usage));
        }
    }
    std::future::pending().await
}

/// Ends tasks that would go on for ever.
pub(super) async fn stop_background<const N: usize>(tasks: [JoinHandle<Infallible>; N]) {
    for task in tasks {
        task.abort();
        // It says that it was aborted, which is known.
        let _ = task.await;
    }
}

/// Waits for a longer limit, perhaps for ever.
pub(super) async fn longer(extension: &mut watch::Receiver<Option<Duration>>) -> Duration {
    loop {
        if extension.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        if let Some(limit) = *extension.borrow_and_update() {
            return limit;
        }
    }
}
