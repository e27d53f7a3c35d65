//! The form of the log: one JSON record per line, each with a checksum that includes that of the record before, so that
//! a torn, changed or missing line is detected.

use chutes_core::{
    Ending, Endpoints, Json, Outcome, PhaseReport, RunEvent, Sha256Hasher, SinkReport, Status,
};
use serde::{Deserialize, Serialize};

use super::arrivals::AnsweredArrival;
use super::fact::{Begin, Fact};
use crate::json_size::MAX_BYTES;
use crate::worker::Hooks;

/// The longest line in bytes: an outcome with a result and the files of a large run.
pub(super) const MAX_LINE: u64 = MAX_BYTES as u64 + 1024 * 1024 * 1024;

/// A place in the sequence of records: after the last one that was written or read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// The number of records up to here, which is the number of the last one.
    pub(super) records: u64,
    checksum: String,
}

/// A record that was read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) seq: u64,
    pub(super) at: String,
    /// `None` for one that only a later version knows.
    pub(super) fact: Option<Fact>,
}

/// One line, without its checksum.
#[derive(Serialize)]
struct Written<'a> {
    seq: u64,
    at: &'a str,
    #[serde(flatten)]
    fact: &'a Fact,
}

impl Position {
    /// The line of the next record, and the position after it.
    pub(super) fn line(&self, at: &str, fact: &Fact) -> serde_json::Result<(Vec<u8>, Self)> {
        let seq = self.records + 1;
        let mut line = serde_json::to_vec(&Written { seq, at, fact })?;
        let checksum = self.checksum_of_next(&line);
        line.pop();
        line.extend_from_slice(format!(",\"sum\":\"{checksum}\"}}\n").as_bytes());
        Ok((line, Self { records: seq, checksum }))
    }

    /// The record of a line, if it is whole and the next one here. Then the position is after it.
    pub(super) fn read(&mut self, line: &[u8]) -> Option<Record> {
        // `…,"sum":"0123456789abcdef"}` and a line feed.
        const SUFFIX: usize = ",\"sum\":\"0123456789abcdef\"}\n".len();
        let json = line.strip_suffix(b"\n")?;
        let content = json.get(..line.len().checked_sub(SUFFIX)?)?;
        let checksum = self.checksum_of_next(&[content, b"}"].concat());
        let head: Head = serde_json::from_slice(json).ok()?;
        if head.sum != checksum || head.seq != self.records + 1 {
            return None;
        }
        let fact = if head.event.is_some() {
            // A later version may have events that are unknown here.
            serde_json::from_slice(json).ok().map(Fact::Event)
        } else {
            serde_json::from_slice::<Body>(json).ok()?.fact()
        };
        *self = Self { records: head.seq, checksum };
        Some(Record { seq: head.seq, at: head.at, fact })
    }

    /// The checksum of the next record and of all before it: the first 64 bits of a SHA-256. `record` does not contain it
    /// yet.
    fn checksum_of_next(&self, record: &[u8]) -> String {
        let mut hasher = Sha256Hasher::new();
        hasher.update(self.checksum.as_bytes());
        hasher.update(record);
        let mut digits = hasher.finish().to_string();
        digits.truncate(16);
        digits
    }
}

/// What all records have.
#[derive(Deserialize)]
struct Head {
    seq: u64,
    #[serde(default)]
    at: String,
    sum: String,
    event: Option<String>,
}

/// A record that is no event: one of these is there.
#[derive(Deserialize)]
struct Body {
    run: Option<Box<Begin>>,
    status: Option<Status>,
    hooks: Option<Hooks>,
    phase: Option<PhaseReport>,
    execution: Option<Execution>,
    #[serde(default)]
    collected: Present,
    #[serde(default)]
    recovered: Present,
    delivered: Option<AnsweredArrival>,
    warning: Option<String>,
    endpoints: Option<Endpoints>,
    outcome: Option<Box<Outcome>>,
    redelivered: Option<Vec<SinkReport>>,
}

#[derive(Deserialize)]
struct Execution {
    ending: Ending,
    result: Option<Json>,
}

/// Whether the record has this key, whose value is `null`.
#[derive(Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        <()>::deserialize(from).map(|()| Self(true))
    }
}

impl Body {
    fn fact(self) -> Option<Fact> {
        let execution =
            |Execution { ending, result }: Execution| Fact::Execution { ending, result };
        self.run
            .map(Fact::Run)
            .or(self.status.map(Fact::Status))
            .or(self.hooks.map(Fact::Hooks))
            .or(self.phase.map(Fact::Phase))
            .or(self.execution.map(execution))
            .or(self.collected.0.then_some(Fact::Collected))
            .or(self.recovered.0.then_some(Fact::Recovered))
            .or(self.delivered.map(Fact::Delivered))
            .or(self.warning.map(Fact::Warning))
            .or(self.endpoints.map(Fact::Endpoints))
            .or(self.outcome.map(Fact::Outcome))
            .or(self.redelivered.map(Fact::Redelivered))
    }
}

impl Record {
    /// What followers see of it.
    pub(super) fn into_event(self, run_dir: &str) -> chutes_core::Event {
        let unknown = || RunEvent::Warning {
            message: "this version of chutes does not know this record".to_owned(),
        };
        let what = self.fact.map_or_else(unknown, |fact| fact.into_event(run_dir));
        chutes_core::Event { seq: Some(self.seq), at: self.at, what }
    }
}
