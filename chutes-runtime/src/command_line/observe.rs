//! Forwards events to the console and to files, without blocking the supervisor.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use chutes_core::{Event, RunEvent};

use chutes_supervisor::Observer;

/// How many events may be queued. A slower reader misses events, which their numbers reveal, but never a change of
/// status or the outcome.
const QUEUE: usize = 10_000;

/// How long the end of a run waits for a slow reader.
const LAST_TIME: Duration = Duration::from_secs(5);

/// An observer that forwards events to a thread of its own.
pub(super) struct Forwarder {
    queue: Sender<Event>,
    progress: Arc<Progress>,
}

/// The other end of a [`Forwarder`], to wait for the forwarding of all events.
pub(super) struct Forwarded {
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
    /// Forwards events to `to` until the last clone of the forwarder is dropped, or until `to` fails; `None` reports
    /// that the queue is empty.
    pub(super) fn start(
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
        for event in std::iter::once(event).chain(events.try_iter()) {
            progress.waiting.fetch_sub(1, Ordering::Relaxed);
            to(Some(&event))?;
        }
        to(None)?;
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
    pub(super) fn wait(self) -> Result<(), String> {
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
pub(super) struct All(pub(super) Vec<Box<dyn Observer>>);

impl Observer for All {
    fn on_event(&self, event: &Event) {
        self.0.iter().for_each(|observer| observer.on_event(event));
    }
}

/// The target of `--events`.
#[derive(Clone, Debug)]
pub(super) struct EventTarget(PathBuf);

impl EventTarget {
    /// Parses `FILE` or `fd:NUMBER`.
    #[expect(clippy::unnecessary_wraps, reason = "the signature is that of a value parser")]
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix("fd:").filter(|number| number.parse::<u16>().is_ok());
        Ok(Self(number.map_or_else(|| text.into(), |number| Path::new("/dev/fd").join(number))))
    }

    /// The argument for another program that has inherited the descriptors of this one.
    #[cfg(feature = "container")]
    pub(super) fn as_argument(&self) -> &Path {
        &self.0
    }

    /// Opens the file for appending. A pipe is opened later, because that blocks until it has a reader.
    pub(super) fn open(&self) -> io::Result<EventFile> {
        let path = &self.0;
        if std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
            return Ok(EventFile::Pipe(path.clone()));
        }
        let opened = append_to(path).map_err(|error| {
            let message = format!("cannot write events to `{}`: {error}", path.display());
            io::Error::new(error.kind(), message)
        });
        opened.map(EventFile::Open)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// An opened target of `--events`.
pub(super) enum EventFile {
    Open(File),
    Pipe(PathBuf),
}

impl EventFile {
    /// A function that writes events, one per line, each line in one write, so that a reader sees whole lines.
    pub(super) fn writer(self) -> impl FnMut(Option<&Event>) -> io::Result<()> + Send + 'static {
        let mut target = Some(self);
        let mut file = None;
        move |event| {
            let file = match (&mut file, target.take()) {
                (Some(file), _) => file,
                (None, Some(Self::Open(opened))) => file.insert(BufWriter::new(opened)),
                (None, Some(Self::Pipe(path))) => file.insert(BufWriter::new(append_to(&path)?)),
                (None, None) => return Ok(()),
            };
            match event {
                Some(event) => write_line(file, event),
                None => file.flush(),
            }
        }
    }
}

fn write_line(to: &mut impl Write, event: &Event) -> io::Result<()> {
    let mut line = serde_json::to_vec(event)?;
    line.push(b'\n');
    to.write_all(&line)?;
    match event.what {
        // A reader that waits for the outcome gets it at once.
        RunEvent::Outcome { .. } => to.flush(),
        _ => Ok(()),
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
