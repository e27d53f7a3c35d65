//! How far a volume has come, and what of it is tried again, emitted now and then.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chutes_core::{Escaped, EventReporter, RunEvent};
use chutes_transfer::{Retry, RetryNotices};
use tokio::time::Instant;

/// The shortest time between two events of one volume. The last one is always emitted.
const INTERVAL: Duration = Duration::from_millis(250);

/// How far one volume has come.
pub(crate) struct Progress {
    events: EventReporter,
    place: String,
    state: Mutex<State>,
    notices: RetryNotices,
}

#[derive(Default)]
struct State {
    bytes: u64,
    total: u64,
    /// How many files of unknown size there are.
    unknown: usize,
    cached: usize,
    fetched: usize,
    emitted: Option<Instant>,
}

/// How far one file of it has come.
pub(crate) struct FileProgress<'a> {
    volume: &'a Progress,
    bytes: u64,
    total: Option<u64>,
}

impl Progress {
    pub(crate) fn new(events: EventReporter, place: String) -> Self {
        Self { events, place, state: Mutex::default(), notices: RetryNotices::default() }
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

    /// Says now and then that something is tried again, and why: it may take long.
    pub(crate) fn retrying(&self, retry: Retry<'_>) {
        if self.notices.is_due() {
            let message = format!("fetching {}: {retry}", self.place);
            let message = Escaped(&message).to_string();
            self.events.emit(RunEvent::Warning { message });
        }
    }

    /// The volume is in place.
    pub(crate) fn done(&self) {
        let event = self.event(&self.state(), true);
        self.events.emit(event);
    }

    fn event(&self, state: &State, done: bool) -> RunEvent {
        let known = state.unknown == 0 && state.total >= state.bytes;
        RunEvent::Volume {
            place: self.place.clone(),
            bytes: state.bytes,
            total: if done { Some(state.bytes) } else { known.then_some(state.total) },
            cached: state.cached > 0 && state.fetched == 0,
            done,
        }
    }
}

impl FileProgress<'_> {
    /// The volume that the file is of.
    pub(crate) fn volume(&self) -> &Progress {
        self.volume
    }

    /// As [`Progress::retrying`].
    pub(crate) fn retrying(&self, retry: Retry<'_>) {
        self.volume.retrying(retry);
    }

    /// Takes note of how much of the file is there.
    pub(crate) fn report(&mut self, bytes: u64, total: Option<u64>) {
        // Not under the lock: the receiver may take long.
        if let Some(event) = self.update(bytes, total) {
            self.volume.events.emit(event);
        }
    }

    /// Returns the event that is due now, if there is one.
    fn update(&mut self, bytes: u64, total: Option<u64>) -> Option<RunEvent> {
        let mut state = self.volume.state();
        state.bytes = (state.bytes + bytes).saturating_sub(self.bytes);
        state.total = (state.total + total.unwrap_or_default())
            .saturating_sub(self.total.unwrap_or_default());
        state.unknown += usize::from(total.is_none());
        state.unknown -= usize::from(self.total.is_none());
        (self.bytes, self.total) = (bytes, total);
        let now = Instant::now();
        let is_due = state.emitted.is_none_or(|emitted| now.duration_since(emitted) >= INTERVAL);
        is_due.then(|| {
            state.emitted = Some(now);
            self.volume.event(&state, false)
        })
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

    use super::*;

    type Log = Arc<Mutex<Vec<RunEvent>>>;

    fn progress() -> (Progress, Log) {
        let log = Log::default();
        let kept = Arc::clone(&log);
        let events = EventReporter::new(move |event| kept.lock().unwrap().push(event));
        (Progress::new(events, "/volume/a".into()), log)
    }

    fn event(bytes: u64, total: Option<u64>, cached: bool, done: bool) -> RunEvent {
        RunEvent::Volume { place: "/volume/a".into(), bytes, total, cached, done }
    }

    #[tokio::test(start_paused = true)]
    async fn events_are_rare_and_the_last_one_comes() {
        let (progress, log) = progress();
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
        assert_eq!(*log.lock().unwrap(), expected);
    }

    #[tokio::test]
    async fn all_from_the_cache() {
        let (progress, log) = progress();
        progress.file().finish(3, true);
        progress.file().finish(4, true);
        progress.done();
        assert_eq!(log.lock().unwrap().last(), Some(&event(7, Some(7), true, true)));
    }
}
