//! Where components report what happens in a run.

use std::fmt;
use std::sync::Arc;

use crate::RunEvent;

/// Takes what happens in one run from all components that take part in it.
///
/// Clones report to the same receiver. [`emit`](Self::emit) may be called from any thread, and it calls the
/// receiver on that thread, so the receiver should return soon.
///
/// ```
/// use std::sync::mpsc;
/// use chutes::event::{EventReporter, RunEvent};
///
/// let (sender, received) = mpsc::channel();
/// let events = EventReporter::new(move |event| {
///     let _ = sender.send(event);
/// });
/// let warning = RunEvent::Warning { message: "the disk is nearly full".into() };
/// events.emit(warning.clone());
/// assert_eq!(received.recv()?, warning);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct EventReporter {
    receiver: Arc<dyn Fn(RunEvent) + Send + Sync>,
}

impl EventReporter {
    /// Reports to this function.
    pub fn new(receiver: impl Fn(RunEvent) + Send + Sync + 'static) -> Self {
        Self { receiver: Arc::new(receiver) }
    }

    /// Reports to no receiver.
    #[must_use]
    pub fn none() -> Self {
        Self::new(drop)
    }

    /// Reports an event.
    pub fn emit(&self, event: RunEvent) {
        (self.receiver)(event);
    }
}

impl fmt::Debug for EventReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventReporter").finish_non_exhaustive()
    }
}
