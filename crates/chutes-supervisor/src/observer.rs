//! The observer of a run.

use std::sync::Arc;

use chutes_core::Event;

use crate::run_log::Follower;

/// Receives the events of a run, in order.
///
/// It is called in the task of the supervisor, between two steps, so it should return soon: one that needs time, or
/// another thread, is better a [`Follower`](crate::Follower).
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

/// Passes what happens to an observer, up to the outcome.
pub(crate) async fn observe(mut follower: Follower, observer: Option<Arc<dyn Observer>>) {
    let Some(observer) = observer else { return };
    while let Some(event) = follower.next().await {
        observer.on_event(&event);
    }
}
