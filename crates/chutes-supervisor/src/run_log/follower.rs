//! Follows a run: its facts, none of which is missed, and what else happens, as far as the follower is quick enough.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chutes_core::{Event, RunEvent};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::reader::FactReader;
use crate::directory::RunRoot;

/// Receives the events of an attempt, up to its outcome.
///
/// The supervisor never waits for a follower. One that is more than 8,192 events behind gets the facts that it has
/// missed from the log of the run; of other events an event `missed` says how many are gone.
#[derive(Debug)]
pub struct Follower {
    receiver: Receiver<Arc<Event>>,
    root: Arc<RunRoot>,
    reader: FactReader,
    /// The number of the next fact to be given.
    next: u64,
    ready: VecDeque<Event>,
    missed: u64,
    has_ended: bool,
    /// There where lines that the job prints are received.
    output: Option<ReadsLines>,
}

/// One of the followers that receive the lines that the job prints, as long as it is there.
#[derive(Debug)]
pub(super) struct ReadsLines(Arc<AtomicUsize>);

impl ReadsLines {
    pub(super) fn new(readers: &Arc<AtomicUsize>) -> Self {
        readers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(readers))
    }
}

impl Drop for ReadsLines {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Follower {
    /// Begins with the fact of this number, and with those that are known already.
    pub(super) fn new(
        receiver: Receiver<Arc<Event>>,
        root: Arc<RunRoot>,
        from: u64,
        known: u64,
    ) -> Self {
        let mut follower = Self {
            receiver,
            root,
            reader: FactReader::default(),
            next: from.max(1),
            ready: VecDeque::new(),
            missed: 0,
            has_ended: false,
            output: None,
        };
        follower.catch_up(known);
        follower
    }

    /// The same follower, which also gets how things stand, after the facts that are known already.
    pub(super) fn with(mut self, at: String, what: RunEvent) -> Self {
        self.ready.push_back(Event { seq: None, at, what });
        self
    }

    /// The same follower, which also gets the lines that the job prints.
    pub(super) fn with_output(mut self, output: ReadsLines) -> Self {
        self.output = Some(output);
        self
    }

    /// Gives the facts of a run that has no supervisor any more, from this number on.
    pub(crate) fn of_ended(root: &Arc<RunRoot>, from: u64) -> Self {
        let (_, receiver) = tokio::sync::broadcast::channel(1);
        Self::new(receiver, Arc::clone(root), from, 0)
    }

    /// The next event; `None` after the outcome, or when the supervisor is gone without one.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take_ready() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            let received = self.receiver.recv().await;
            self.take(received);
        }
    }

    /// The same for a thread that may wait.
    pub fn next_blocking(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take_ready() {
                return Some(event);
            }
            if self.has_ended {
                return None;
            }
            let received = self.receiver.blocking_recv();
            self.take(received);
        }
    }

    /// The next event, if there is one now.
    pub fn try_next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take_ready() {
                return Some(event);
            }
            let received = match self.receiver.try_recv() {
                Ok(event) => Ok(event),
                Err(TryRecvError::Empty) => return None,
                Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
                Err(TryRecvError::Closed) if self.has_ended => return None,
                Err(TryRecvError::Closed) => Err(RecvError::Closed),
            };
            self.take(received);
        }
    }

    fn take_ready(&mut self) -> Option<Event> {
        let event = self.ready.pop_front()?;
        self.has_ended |= matches!(event.what, RunEvent::Outcome { .. });
        Some(event)
    }

    fn take(&mut self, received: Result<Arc<Event>, RecvError>) {
        let event = match received {
            Ok(event) => Arc::unwrap_or_clone(event),
            Err(RecvError::Lagged(count)) => {
                self.missed += count;
                return;
            }
            Err(RecvError::Closed) => {
                self.catch_up(u64::MAX);
                self.report_missed(String::new());
                self.has_ended = true;
                return;
            }
        };
        // It is there for another follower.
        if self.output.is_none() && matches!(event.what, RunEvent::Log { .. }) {
            return;
        }
        match event.seq {
            Some(seq) if seq < self.next => return,
            Some(seq) => {
                self.catch_up(seq - 1);
                self.next = seq + 1;
            }
            None => {}
        }
        self.report_missed(event.at.clone());
        self.ready.push_back(event);
    }

    /// Reads the facts up to this number that are still to be given.
    fn catch_up(&mut self, last: u64) {
        if last < self.next {
            return;
        }
        let before = self.ready.len();
        let ready = &mut self.ready;
        // What cannot be read is missed, as an event says.
        let _ = self.reader.read(&self.root, self.next..=last, |event| ready.push_back(event));
        let read = (self.ready.len() - before) as u64;
        self.missed = self.missed.saturating_sub(read);
        if last != u64::MAX {
            self.missed += (last + 1 - self.next).saturating_sub(read);
            self.next = last + 1;
        }
    }

    fn report_missed(&mut self, at: String) {
        if self.missed > 0 {
            let what = RunEvent::Missed { events: std::mem::take(&mut self.missed) };
            self.ready.push_back(Event { seq: None, at, what });
        }
    }
}
