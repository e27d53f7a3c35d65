//! The log of a run, `run.jsonl`: what happens is written down once, and everything that follows the run reads that.
//!
//! A fact gets its number and its time here. It is on disk before the run goes on where that decides how the run ends
//! (`fact.rs` says which do), and is then published to followers. What only says how things stand is published
//! without being written. No follower is called: each has its end of a bounded queue, and gets the facts that it has
//! missed from the file.

mod arrivals;
mod fact;
mod follower;
pub(crate) mod history;
mod reader;
mod record;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use chutes_core::{Endpoints, Event, EventReporter, PhaseReport, Progress, RunEvent, Usage};
use jiff::Timestamp;
use tokio::sync::broadcast;

pub(crate) use self::arrivals::{AnsweredArrival, Arrival, Arrivals};
pub(crate) use self::fact::{Begin, Fact};
pub use self::follower::Follower;
use self::follower::ReadsLines;
pub(crate) use self::reader::scan;
use self::record::Position;
pub(crate) use self::store::{LogFile, LogStore};
use super::directory::RunRoot;

/// How many events are kept for a follower that is behind.
const KEPT_EVENTS: usize = 8_192;

/// The log of one run in progress. Clones are the same log.
#[derive(Clone, Debug)]
pub(crate) struct RunLog(Arc<Shared>);

/// The log of a run, if it is still in progress.
#[derive(Debug)]
pub(crate) struct WeakLog(Weak<Shared>);

impl WeakLog {
    /// See [`RunLog::follow`]; `None` when the run has ended.
    pub(crate) fn follow(&self, from: u64) -> Option<Follower> {
        Some(RunLog(self.0.upgrade()?).follow(from))
    }
}

#[derive(Debug)]
struct Shared {
    writer: Mutex<Writer>,
    events: broadcast::Sender<Arc<Event>>,
    /// How many followers receive the lines that the job prints.
    readers: Arc<AtomicUsize>,
    root: Arc<RunRoot>,
    /// The newest report of the job.
    progress: Mutex<Option<Progress>>,
}

#[derive(Debug)]
struct Writer {
    store: Box<dyn LogStore>,
    position: Position,
    /// The number of the last fact that followers have been sent.
    published: u64,
    report: RunReport,
}

/// What was reported in the course of the run and belongs into its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunReport {
    /// The phases that are over, in order.
    pub phases: Vec<PhaseReport>,
    /// What went wrong without deciding how the run ends.
    pub warnings: Vec<String>,
    /// Where the run can be reached, as far as that is known yet.
    pub endpoints: Endpoints,
    /// What the run has used, as it was measured last.
    pub usage: Option<Usage>,
}

impl RunReport {
    /// Adds a fact, if it belongs into the outcome.
    pub(crate) fn add(&mut self, fact: &Fact) {
        match fact {
            Fact::Phase(report) => self.add_phase(*report),
            Fact::Warning(warning) => self.warnings.push(warning.clone()),
            Fact::Endpoints(endpoints) => self.endpoints = endpoints.clone(),
            Fact::Event(RunEvent::Port(port)) => self.endpoints.ports.push(port.clone()),
            Fact::Event(RunEvent::Ssh(ssh)) => self.endpoints.ssh = Some(ssh.clone()),
            Fact::Event(RunEvent::Streaming(streaming)) => {
                self.endpoints.streaming = Some(streaming.clone());
            }
            Fact::Event(RunEvent::Usage(usage)) => self.usage = Some(*usage),
            _ => {}
        }
    }

    /// Adds the time of a phase. One that was interrupted and begun again is still one phase.
    fn add_phase(&mut self, report: PhaseReport) {
        match self.phases.last_mut() {
            Some(last) if last.phase == report.phase => last.elapsed += report.elapsed,
            _ => self.phases.push(report),
        }
    }
}

impl RunLog {
    /// The log of a new run.
    pub(crate) fn new(store: impl LogStore + 'static, root: Arc<RunRoot>) -> Self {
        Self::at(Box::new(store), root, Position::default(), RunReport::default())
    }

    fn at(
        store: Box<dyn LogStore>,
        root: Arc<RunRoot>,
        position: Position,
        report: RunReport,
    ) -> Self {
        let published = position.records;
        let writer = Mutex::new(Writer { store, position, published, report });
        let (events, _) = broadcast::channel(KEPT_EVENTS);
        let (readers, progress) = Default::default();
        Self(Arc::new(Shared { writer, events, readers, root, progress }))
    }

    /// Writes a fact down and publishes it. It is published, and is part of the outcome, also when it could not be
    /// written.
    pub(crate) fn record(&self, fact: Fact) -> io::Result<()> {
        let mut writer = self.writer();
        let at = now();
        let written = writer.append(&at, &fact);
        writer.report.add(&fact);
        // The lock is held, so that facts are published in their order. Publishing calls no follower.
        self.publish(&mut writer, written.as_ref().ok().copied(), at, fact);
        written.map(drop)
    }

    /// Writes a fact down that is published later. Returns its number and its time.
    pub(crate) fn append(&self, fact: &Fact) -> io::Result<(u64, String)> {
        let at = now();
        let seq = self.writer().append(&at, fact)?;
        Ok((seq, at))
    }

    /// Publishes a fact that was written down before, or that could not be.
    pub(crate) fn publish_written(&self, written: Option<(u64, String)>, fact: Fact) {
        let (seq, at) = written.unzip();
        self.publish(&mut self.writer(), seq, at.unwrap_or_else(now), fact);
    }

    fn publish(&self, writer: &mut Writer, seq: Option<u64>, at: String, fact: Fact) {
        writer.published = writer.published.max(seq.unwrap_or_default());
        let what = fact.into_event(&self.0.root.shown());
        // Without followers there is nothing to send to.
        let _ = self.0.events.send(Arc::new(Event { seq, at, what }));
    }

    /// Takes an event: a fact is written down, anything else is published only.
    pub(crate) fn emit(&self, event: RunEvent) {
        match Fact::of_event(event) {
            // That the log cannot be written is reported with the next fact of the supervisor itself.
            Ok(fact) => drop(self.record(fact)),
            // A job may print millions of lines, each of which would get its time and wake all followers.
            Err(RunEvent::Log { .. }) if self.0.readers.load(Ordering::Relaxed) == 0 => {}
            Err(what) => {
                if let RunEvent::Progress(progress) = &what {
                    *self.progress_mut() = Some(progress.clone());
                }
                let _ = self.0.events.send(Arc::new(Event { seq: None, at: now(), what }));
            }
        }
    }

    /// Where components report what happens.
    pub(crate) fn reporter(&self) -> EventReporter {
        let log = self.clone();
        EventReporter::new(move |event| log.emit(event))
    }

    /// The same for a component whose warnings belong into the outcome.
    pub(crate) fn reporter_of_warnings(&self) -> EventReporter {
        let log = self.clone();
        EventReporter::new(move |event| match event {
            RunEvent::Warning { message } => drop(log.record(Fact::Warning(message))),
            event => log.emit(event),
        })
    }

    /// Records a problem that the outcome names, unless it does already.
    pub(crate) fn warn_once(&self, warning: String) {
        if !self.report().warnings.contains(&warning) {
            drop(self.record(Fact::Warning(warning)));
        }
    }

    /// Follows the run from the fact of this number on. 1 is the first.
    pub(crate) fn follow(&self, from: u64) -> Follower {
        let lines = ReadsLines::new(&self.0.readers);
        self.follow_without_output(from).with_output(lines)
    }

    /// The same without the lines that the job prints.
    pub(crate) fn follow_without_output(&self, from: u64) -> Follower {
        // What is published after this is received, what was published before is in the file. A fact that is written down
        // and not yet published has to wait: the outcome, until it is a file of its own as well.
        let receiver = self.0.events.subscribe();
        let follower =
            Follower::new(receiver, Arc::clone(&self.0.root), from, self.writer().published);
        match self.progress() {
            // One that comes later does not have to wait for the next report.
            Some(progress) => follower.with(now(), RunEvent::Progress(progress)),
            None => follower,
        }
    }

    /// The same log, without keeping it.
    pub(crate) fn downgrade(&self) -> WeakLog {
        WeakLog(Arc::downgrade(&self.0))
    }

    /// The number of the last fact.
    pub(crate) fn last(&self) -> u64 {
        self.writer().position.records
    }

    /// What was reported so far.
    pub(crate) fn report(&self) -> RunReport {
        self.writer().report.clone()
    }

    /// See [`LogStore::keep_name`].
    pub(crate) fn keep_name(&self) -> io::Result<bool> {
        self.writer().store.keep_name()
    }

    /// The newest report of the job.
    pub(crate) fn progress(&self) -> Option<Progress> {
        self.progress_mut().clone()
    }

    fn progress_mut(&self) -> MutexGuard<'_, Option<Progress>> {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.0.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn append(&mut self, at: &str, fact: &Fact) -> io::Result<u64> {
        let (line, after) = self.position.line(at, fact).map_err(io::Error::other)?;
        self.store.append(after.records, &line, fact.is_essential())?;
        self.position = after;
        Ok(self.position.records)
    }
}

fn now() -> String {
    Timestamp::now().to_string()
}
