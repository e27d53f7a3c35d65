//! Reads the log of a run back, to recover a run whose supervisor has ended.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use chutes_core::{Ending, JobSpec, Json, Outcome, RunId, SinkReport, Status};

use super::record::{MAX_LINE, Position};
use super::{Arrivals, Begin, Fact, LogFile, RunLog, RunReport};
use crate::directory::RunRoot;
use crate::worker::Hooks;

/// The state of a run according to its log.
#[derive(Debug)]
pub(crate) struct History {
    pub run_id: RunId,
    pub spec: JobSpec,
    /// Whether files may leave the directory of the run.
    pub uploads: bool,
    /// The last status that is not an end status.
    pub status: Option<Status>,
    /// The hooks of the job, if it has any.
    pub hooks: Hooks,
    pub execution: Option<(Ending, Option<Json>)>,
    pub collected: bool,
    pub delivered: Arrivals,
    /// What belongs into the outcome.
    pub report: RunReport,
    pub outcome: Option<Outcome>,
    /// The deliveries to each sink after the outcome, if there were any.
    pub redelivered: Option<Vec<SinkReport>>,
}

/// The result of reading a log.
#[derive(Debug)]
pub(crate) struct Reading {
    /// `None` when the log does not have even its first record.
    pub history: Option<History>,
    pub tail: Tail,
    /// The length of the valid records, in bytes.
    pub valid: u64,
    position: Position,
}

/// The content of the file after the valid records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// None.
    Clean,
    /// An incomplete last line, as a power cut leaves it.
    Torn,
    /// Anything else, which no supervisor has written.
    Damaged,
}

impl Reading {
    /// Reads a log from its beginning.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(0))?;
        let mut reading =
            Self { history: None, tail: Tail::Clean, valid: 0, position: Position::default() };
        let mut line = Vec::new();
        loop {
            line.clear();
            if !may_be_record(reader.fill_buf()?) {
                reading.tail = Tail::Damaged;
                return Ok(reading);
            }
            let read = reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(reading);
            }
            if !reading.take(&line) {
                // The line feed is written last, so a line that ends with one was written completely.
                let is_cut_off = line.last() != Some(&b'\n') && reader.fill_buf()?.is_empty();
                reading.tail = if is_cut_off { Tail::Torn } else { Tail::Damaged };
                return Ok(reading);
            }
            reading.valid += read as u64;
        }
    }

    /// The number of valid records.
    #[cfg(test)]
    pub(super) fn records(&self) -> u64 {
        self.position.records
    }

    /// Applies one line. Returns whether it is valid.
    fn take(&mut self, line: &[u8]) -> bool {
        let mut after = self.position.clone();
        let Some(record) = after.read(line) else { return false };
        if !apply(record.fact, &mut self.history) {
            return false;
        }
        self.position = after;
        true
    }

    /// Opens the log for more records after the valid ones. The rest of the file is cut off, so the caller has saved it
    /// elsewhere if it is to be kept.
    pub(crate) fn resume(
        self,
        file: File,
        root: &Arc<RunRoot>,
        report: RunReport,
    ) -> io::Result<RunLog> {
        let store = LogFile::resume(Arc::clone(root), file, self.valid)?;
        Ok(RunLog::at(Box::new(store), Arc::clone(root), self.position, report))
    }
}

/// Whether a line that begins like this may be a record. Other lines are not read, because they may have any
/// length.
pub(super) fn may_be_record(begin: &[u8]) -> bool {
    begin.iter().zip(b"{\"seq\":").all(|(found, expected)| found == expected)
}

/// Adds a fact to the history. Returns whether it is allowed there: `run` is the first fact and only the first.
fn apply(fact: Option<Fact>, history: &mut Option<History>) -> bool {
    match (history.as_mut(), fact) {
        (None, Some(Fact::Run(begin))) => *history = Some(History::new(*begin)),
        (None, _) | (Some(_), Some(Fact::Run(_))) => return false,
        (Some(history), Some(fact)) => history.add(fact),
        (Some(_), None) => {}
    }
    true
}

impl History {
    fn new(begin: Begin) -> Self {
        Self {
            run_id: begin.id,
            spec: begin.spec,
            uploads: begin.uploads,
            status: None,
            hooks: Hooks::default(),
            execution: None,
            collected: false,
            delivered: Arrivals::default(),
            report: RunReport::default(),
            outcome: None,
            redelivered: None,
        }
    }

    fn add(&mut self, fact: Fact) {
        self.report.add(&fact);
        match fact {
            Fact::Status(status) => self.status = Some(status),
            Fact::Hooks(hooks) => self.hooks = hooks,
            Fact::Execution { ending, result } => self.execution = Some((ending, result)),
            Fact::Collected => self.collected = true,
            Fact::Delivered(arrival) => self.delivered.insert(arrival),
            // The first outcome wins.
            Fact::Outcome(outcome) => {
                self.outcome.get_or_insert(*outcome);
            }
            Fact::Redelivered(sinks) => self.redelivered = Some(sinks),
            Fact::Run(_)
            | Fact::Phase(_)
            | Fact::Endpoints(_)
            | Fact::Recovered
            | Fact::Warning(_)
            | Fact::Event(_) => {}
        }
    }
}
