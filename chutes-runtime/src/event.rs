//! Telling others what happens in a run: numbered, in order.

use std::sync::{Arc, Mutex, PoisonError};

use chutes_core::{Event, EventReporter};
use jiff::Timestamp;

/// Is told of everything that happens in a run, in order.
///
/// Called by the supervisor of the run between its steps, so it should return soon.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::{Arc, mpsc};
/// use chutes_runtime::{Event, JobContext, JobError, Observer, Registry, Run, RunEvent, Status};
///
/// struct Sender(mpsc::Sender<Event>);
///
/// impl Observer for Sender {
///     fn on_event(&self, event: &Event) {
///         let _ = self.0.send(event.clone());
///     }
/// }
///
/// #[chutes_runtime::job]
/// async fn is_half_done(ctx: JobContext) -> Result<(), JobError> {
///     ctx.progress(0.5, "epoch 1 of 2");
///     Ok(())
/// }
///
/// let (sender, events) = mpsc::channel();
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("is_half_done")?.clone();
/// Run::new(job, directory).observer(Arc::new(Sender(sender))).execute().await?;
/// let events: Vec<Event> = events.iter().collect();
/// assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
/// assert!(matches!(events[0].what, RunEvent::Run { .. }));
/// assert!(matches!(events[events.len() - 1].what, RunEvent::Outcome { .. }));
/// let told = events.iter().find_map(|event| match &event.what {
///     RunEvent::Progress(progress) => Some((progress.fraction, progress.message.as_str())),
///     _ => None,
/// });
/// assert_eq!(told, Some((0.5, "epoch 1 of 2")));
/// # Ok(()) }
/// ```
pub trait Observer: Send + Sync {
    /// Is told of one event.
    fn on_event(&self, event: &Event);
}

/// Nobody is interested.
impl Observer for () {
    fn on_event(&self, _: &Event) {}
}

/// Numbers what happens in one run, and passes it on to its observer.
///
/// The reporter may be used from any thread, but not by the observer itself.
pub(crate) fn reporter(observer: Arc<dyn Observer>) -> EventReporter {
    // The number of the last event. Held while an event is passed on, so that the order holds.
    let last = Mutex::new(0);
    EventReporter::new(move |what| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let at = Timestamp::now().to_string();
        observer.on_event(&Event { seq: *last, at, what });
    })
}
