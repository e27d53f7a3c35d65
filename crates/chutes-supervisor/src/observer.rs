//! The observer of a run, and the numbering of its events.

use std::sync::{Arc, Mutex, PoisonError};

use chutes_core::{Event, EventReporter};
use jiff::Timestamp;

/// Receives all events of a run, in order.
///
/// The supervisor of the run calls it between its steps, so it should return soon.
///
/// ```
/// use std::sync::mpsc;
/// use chutes::event::Event;
/// use chutes::run::Observer;
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

/// Ignores all events.
impl Observer for () {
    fn on_event(&self, _: &Event) {}
}

/// A reporter that numbers the events of one run and passes them to its observer.
///
/// Any thread may use the reporter, but not the observer itself.
pub(crate) fn reporter(observer: Arc<dyn Observer>) -> EventReporter {
    // The number of the last event. The lock is held during the call of the observer, which keeps the order.
    let last = Mutex::new(0);
    EventReporter::new(move |what| {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        *last += 1;
        let at = Timestamp::now().to_string();
        observer.on_event(&Event { seq: *last, at, what });
    })
}
