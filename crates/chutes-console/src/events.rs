//! Forwards events to the console and to files, without blocking the supervisor.

mod target;

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use chutes_core::{Event, RunEvent};
use chutes_supervisor::Observer;

pub(crate) use self::target::{EventFile, EventTarget};

/// How many events may be queued. A slower reader misses events, which their numbers reveal, but never a change of
/// status or the outcome.
const QUEUE: usize = 10_000;

/// How long the end of a run waits for a slow reader.
const LAST_TIME: Duration = Duration::from_secs(5);

/// An observer that forwards events to a thread of its own.
pub(crate) struct Forwarder {
    queue: Sender<Event>,
    progress: Arc<Progress>,
}

/// The other end of a [`Forwarder`], to wait for the forwarding of all events.
pub(crate) struct Forwarded {
    done: Receiver<()>,
    progress: Arc<Progress>,
}

/// The state of the forwarding, shared by both threads.
#[derive(Default)]
struct Progress {
    waiting: AtomicUsize,
    missed: AtomicU64,
    /// Why forwarding has failed.
    broken: Mutex<Option<String>>,
}

impl Forwarder {
    /// Forwards events to `to` until the outcome, until the last clone of the forwarder is dropped, or until `to` fails;
    /// `None` reports that the queue is empty.
    pub(crate) fn start(
        name: &str,
        to: impl FnMut(Option<&Event>) -> io::Result<()> + Send + 'static,
    ) -> io::Result<(Self, Forwarded)> {
        let (queue, events) = mpsc::channel();
        let (end, done) = mpsc::channel();
        let progress = Arc::<Progress>::default();
        let shared = Arc::clone(&progress);
        thread::Builder::new().name(name.into()).spawn(move || {
            if let Err(error) = forward(&events, &shared, to) {
                *shared.broken.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(error.to_string());
            }
            // The other end may have stopped waiting.
            let _ = end.send(());
        })?;
        let forwarded = Forwarded { done, progress: Arc::clone(&progress) };
        Ok((Self { queue, progress }, forwarded))
    }
}

fn forward(
    events: &Receiver<Event>,
    progress: &Progress,
    mut to: impl FnMut(Option<&Event>) -> io::Result<()>,
) -> io::Result<()> {
    while let Ok(event) = events.recv() {
        let mut is_last = false;
        for event in std::iter::once(event).chain(events.try_iter()) {
            progress.waiting.fetch_sub(1, Ordering::Relaxed);
            to(Some(&event))?;
            is_last |= matches!(event.what, RunEvent::Outcome { .. });
        }
        to(None)?;
        // What reads the output of a process that cannot be ended keeps its forwarder for ever.
        if is_last {
            break;
        }
    }
    Ok(())
}

impl Observer for Forwarder {
    fn on_event(&self, event: &Event) {
        let is_vital = matches!(
            event.what,
            RunEvent::Run { .. }
                | RunEvent::Status { .. }
                | RunEvent::Port(_)
                | RunEvent::Ssh(_)
                | RunEvent::Streaming(_)
                | RunEvent::Outcome { .. }
        );
        let progress = &self.progress;
        if !is_vital && progress.waiting.load(Ordering::Relaxed) >= QUEUE {
            progress.missed.fetch_add(1, Ordering::Relaxed);
            return;
        }
        progress.waiting.fetch_add(1, Ordering::Relaxed);
        // An error is ignored: the thread ends only when forwarding fails, and has recorded the reason.
        let _ = self.queue.send(event.clone());
    }
}

impl Forwarded {
    /// Waits for a limited time until all events have been forwarded. The error says why some were not.
    pub(crate) fn wait(self) -> Result<(), String> {
        let done = self.done.recv_timeout(LAST_TIME);
        if let Err(RecvTimeoutError::Timeout) = done {
            return Err("their reader does not read".to_owned());
        }
        let broken = self.progress.broken.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (broken, self.progress.missed.load(Ordering::Relaxed)) {
            (Some(broken), _) => Err(broken),
            (None, 0) => Ok(()),
            (None, missed) => {
                Err(format!("{missed} are missing, because their reader was too slow"))
            }
        }
    }
}

/// Several observers, called one after the other.
pub(crate) struct All(pub(crate) Vec<Box<dyn Observer>>);

impl Observer for All {
    fn on_event(&self, event: &Event) {
        self.0.iter().for_each(|observer| observer.on_event(event));
    }
}

#[cfg(test)]
mod tests {
    use chutes_core::{LogStream, Status};

    use super::*;

    fn log(seq: u64) -> Event {
        let what = RunEvent::Log { stream: LogStream::Stdout, line: "line".into() };
        Event { seq, at: "2026-11-22T01:02:03Z".into(), what }
    }

    /// A reader that is too slow misses lines, never a change of status.
    #[test]
    fn what_is_missed() {
        let (open, gate) = mpsc::channel::<()>();
        let (sender, passed_on) = mpsc::channel();
        let to = move |event: Option<&Event>| {
            // The first waits until all are there; then the gate is gone.
            let _ = gate.recv();
            if let Some(event) = event {
                let _ = sender.send(event.clone());
            }
            Ok(())
        };
        let (forwarder, end) = Forwarder::start("test", to).unwrap();
        let count = 2 * QUEUE as u64;
        (1..=count).for_each(|seq| forwarder.on_event(&log(seq)));
        let what = RunEvent::Status { status: Status::Completed };
        let last = Event { seq: count + 1, what, ..log(0) };
        forwarder.on_event(&last);
        drop((open, forwarder));
        let why = end.wait().unwrap_err();
        let passed_on: Vec<Event> = passed_on.iter().collect();
        // The thread may have taken one event out of the queue before it waited.
        let missed = count + 1 - passed_on.len() as u64;
        assert!((QUEUE as u64 - 1..=QUEUE as u64).contains(&missed), "{missed}");
        assert_eq!(why, format!("{missed} are missing, because their reader was too slow"));
        assert!(passed_on[..QUEUE].iter().map(|event| event.seq).eq(1..=QUEUE as u64));
        assert_eq!(passed_on.last(), Some(&last));
    }

    /// After a write error, waiting returns at once with the reason.
    #[test]
    fn what_is_broken() {
        let to = |_: Option<&Event>| Err(io::Error::other("the disk is made of cheese"));
        let (forwarder, end) = Forwarder::start("test", to).unwrap();
        (1..=3 * QUEUE as u64).for_each(|seq| forwarder.on_event(&log(seq)));
        drop(forwarder);
        assert_eq!(end.wait(), Err("the disk is made of cheese".to_owned()));
    }
}
