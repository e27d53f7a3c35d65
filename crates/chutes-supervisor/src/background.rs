//! What goes on beside user code until it is stopped: reports of progress, signs of life.

use std::convert::Infallible;
use std::time::Duration;

use chutes_core::{EventReporter, Progress, RunEvent};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::worker::MemoryMeter;

/// The time between two signs of life.
const HEARTBEAT: Duration = Duration::from_secs(10);

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
pub(super) async fn beat(
    started: Instant,
    memory: Option<MemoryMeter>,
    events: EventReporter,
) -> Infallible {
    let mut interval = interval(HEARTBEAT);
    interval.tick().await;
    loop {
        interval.tick().await;
        let memory = memory.as_ref().and_then(|memory| memory());
        events.emit(RunEvent::Heartbeat { elapsed: started.elapsed(), memory });
    }
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
