//! How far a volume has come, told now and then.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chutes_core::{EventReporter, RunEvent};
use tokio::time::Instant;

/// The shortest time between two events of one volume. The last one always comes.
const INTERVAL: Duration = Duration::from_millis(250);

/// How far one volume has come.
pub(crate) struct Progress {
    events: EventReporter,
    place: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bytes: u64,
    total: u64,
    /// How many files of unknown size there are.
    unknown: usize,
    cached: usize,
    fetched: usize,
    told: Option<Instant>,
}

/// How far one file of it has come.
pub(crate) struct FileProgress<'a> {
    volume: &'a Progress,
    bytes: u64,
    total: Option<u64>,
}

impl Progress {
    pub(crate) fn new(events: EventReporter, place: String) -> Self {
        Self { events, place, state: Mutex::default() }
    }

    /// The place of the volume.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins with a file.
    pub(crate) fn file(&self) -> FileProgress<'_> {
        self.state().unknown += 1;
        FileProgress { volume: self, bytes: 0, total: None }
    }

    /// Tells that the volume is in place.
    pub(crate) fn done(&self) {
        self.tell(&self.state(), true);
    }

    fn tell(&self, state: &State, done: bool) {
        let known = state.unknown == 0 && state.total >= state.bytes;
        self.events.emit(RunEvent::Volume {
            place: self.place.clone(),
            bytes: state.bytes,
            total: if done { Some(state.bytes) } else { known.then_some(state.total) },
            cached: state.cached > 0 && state.fetched == 0,
            done,
        });
    }
}

impl FileProgress<'_> {
    /// Tells how much of the file is there.
    pub(crate) fn report(&mut self, bytes: u64, total: Option<u64>) {
        let mut state = self.volume.state();
        state.bytes = (state.bytes + bytes).saturating_sub(self.bytes);
        state.total = (state.total + total.unwrap_or_default())
            .saturating_sub(self.total.unwrap_or_default());
        state.unknown += usize::from(total.is_none());
        state.unknown -= usize::from(self.total.is_none());
        (self.bytes, self.total) = (bytes, total);
        let now = Instant::now();
        if state.told.is_none_or(|told| now.duration_since(told) >= INTERVAL) {
            state.told = Some(now);
            self.volume.tell(&state, false);
        }
    }

    /// The file is there.
    pub(crate) fn finish(mut self, bytes: u64, from_cache: bool) {
        {
            let mut state = self.volume.state();
            state.cached += usize::from(from_cache);
            state.fetched += usize::from(!from_cache);
        }
        self.report(bytes, Some(bytes));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chutes_core::Event;

    use super::*;
    use crate::Observer;

    #[derive(Default)]
    struct Log(Mutex<Vec<RunEvent>>);

    impl Observer for Log {
        fn on_event(&self, event: &Event) {
            self.0.lock().unwrap().push(event.what.clone());
        }
    }

    fn event(bytes: u64, total: Option<u64>, cached: bool, done: bool) -> RunEvent {
        RunEvent::Volume { place: "/volume/a".into(), bytes, total, cached, done }
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_rare_and_the_last_one_comes() {
        let log = Arc::new(Log::default());
        let progress = Progress::new(crate::event::reporter(log.clone()), "/volume/a".into());
        let (mut first, mut second) = (progress.file(), progress.file());
        for bytes in 1..=100 {
            first.report(bytes, Some(200));
        }
        tokio::time::advance(INTERVAL).await;
        first.report(150, Some(200));
        tokio::time::advance(INTERVAL).await;
        second.report(7, Some(10));
        // It begins anew, and it is larger than it was.
        second.report(0, None);
        tokio::time::advance(INTERVAL).await;
        second.report(5, Some(20));
        first.finish(200, true);
        second.finish(20, false);
        progress.done();
        let expected = [
            event(1, None, false, false),
            event(150, None, false, false),
            event(157, Some(210), false, false),
            event(155, Some(220), false, false),
            event(220, Some(220), false, true),
        ];
        assert_eq!(*log.0.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn all_from_the_cache() {
        let log = Arc::new(Log::default());
        let progress = Progress::new(crate::event::reporter(log.clone()), "/volume/a".into());
        progress.file().finish(3, true);
        progress.file().finish(4, true);
        progress.done();
        assert_eq!(log.0.lock().unwrap().last(), Some(&event(7, Some(7), true, true)));
    }
}
