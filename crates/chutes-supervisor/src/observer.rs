//! What happens in a run, numbered and in order, for the one that observes it.

use std::sync::{Arc, Mutex, PoisonError};

use chutes_core::{Event, EventReporter};
use jiff::Timestamp;

/// Receives everything that happens in a run, in order.
///
/// Called by the supervisor of the run between its steps, so it should return soon.
///
/// ```
/// use std::sync::mpsc;
/// use chutes_core::Event;
/// use chutes_supervisor::Observer;
///
/// struct Sender(mpsc::Sender<Event>);
///
/// impl Observer for Sender {
///     fn on_event(&self, event: &Event) {
///         let _ = self.0.send(event.clone());
///     }
/// }
/// ```
pub trait Observer: Send + Sync {
    /// Receives one event.
    fn on_event(&self, event: &Event);
}

/// Takes no notice.
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
