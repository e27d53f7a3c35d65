//! Reads a journal back, to recover a run whose supervisor has ended.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use chutes_core::{
    Ending, Endpoints, JobSpec, Json, Outcome, PhaseReport, RunId, SinkReport, Status,
};
use serde::Deserialize;

use super::{AnsweredArrival, Arrivals, Checksum, Journal};
use crate::json_size::MAX_BYTES;
use crate::lifecycle::add_phase;
use crate::worker::Hooks;

/// The longest line in bytes: an outcome with a result and the files of a large run.
const MAX_LINE: u64 = MAX_BYTES as u64 + 1024 * 1024 * 1024;

/// The state of a run according to its journal.
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
    pub phases: Vec<PhaseReport>,
    pub execution: Option<(Ending, Option<Json>)>,
    pub collected: bool,
    pub delivered: Arrivals,
    pub warnings: Vec<String>,
    pub endpoints: Endpoints,
    pub outcome: Option<Outcome>,
    /// The deliveries to each sink after the outcome, if there were any.
    pub redelivered: Option<Vec<SinkReport>>,
}

/// The result of reading a journal.
#[derive(Debug)]
pub(crate) struct Reading {
    /// `None` when the journal does not have even its first record.
    pub history: Option<History>,
    pub tail: Tail,
    /// The length of the valid records, in bytes.
    pub valid: u64,
    records: u64,
    checksum: Checksum,
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
    /// Reads a journal from its beginning.
    pub(crate) fn of(file: &File) -> io::Result<Self> {
        let mut reader = BufReader::new(file);
        reader.seek(SeekFrom::Start(0))?;
        let mut reading = Self {
            history: None,
            tail: Tail::Clean,
            valid: 0,
            records: 0,
            checksum: Checksum::default(),
        };
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

    /// Applies one line. Returns whether it is valid.
    fn take(&mut self, line: &[u8]) -> bool {
        let Some((record, checksum)) = verified(line, &self.checksum) else { return false };
        if record.seq != self.records + 1 || !record.apply(&mut self.history) {
            return false;
        }
        (self.records, self.checksum) = (self.records + 1, checksum);
        true
    }

    /// Opens the journal for more records after the valid ones. The rest of the file is cut off, so the caller has
    /// saved it elsewhere if it is to be kept.
    pub(crate) fn resume(self, file: File) -> io::Result<Journal> {
        file.set_len(self.valid)?;
        file.sync_data()?;
        let Self { valid: length, records, checksum, .. } = self;
        Ok(Journal { file, length, torn: false, records, checksum })
    }
}

/// Whether a line that begins like this may be a record. Other lines are not read, because they may have any
/// length.
fn may_be_record(begin: &[u8]) -> bool {
    begin.iter().zip(b"{\"seq\":").all(|(found, expected)| found == expected)
}

/// The record of a line, if its checksum is right.
fn verified(line: &[u8], before: &Checksum) -> Option<(RecordIn, Checksum)> {
    // `…,"sum":"0123456789abcdef"}` and a line feed.
    const SUFFIX: usize = ",\"sum\":\"0123456789abcdef\"}\n".len();
    let record = line.strip_suffix(b"\n")?;
    let content = record.get(..line.len().checked_sub(SUFFIX)?)?;
    let checksum = before.next(&[content, b"}"].concat());
    let record: RecordIn = serde_json::from_slice(record).ok()?;
    (record.sum == checksum.0).then_some((record, checksum))
}

#[derive(Deserialize)]
struct RecordIn {
    seq: u64,
    sum: String,
    run: Option<RunIn>,
    status: Option<Status>,
    hooks: Option<Hooks>,
    phase: Option<PhaseReport>,
    execution: Option<ExecutionIn>,
    #[serde(default)]
    collected: Present,
    delivered: Option<AnsweredArrival>,
    warning: Option<String>,
    endpoints: Option<Endpoints>,
    outcome: Option<Outcome>,
    redelivered: Option<Vec<SinkReport>>,
}

#[derive(Deserialize)]
struct RunIn {
    id: RunId,
    spec: JobSpec,
    uploads: bool,
}

#[derive(Deserialize)]
struct ExecutionIn {
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

impl RecordIn {
    /// Adds the record to the history. Returns whether it is allowed there: `run` is the first record and only the
    /// first.
    fn apply(self, history: &mut Option<History>) -> bool {
        match (history.as_mut(), self.run) {
            (None, Some(run)) => *history = Some(History::new(run)),
            (Some(history), None) => {
                history.status = self.status.or(history.status);
                if let Some(hooks) = self.hooks {
                    history.hooks = hooks;
                }
                if let Some(phase) = self.phase {
                    add_phase(&mut history.phases, phase);
                }
                history.warnings.extend(self.warning);
                if let Some(endpoints) = self.endpoints {
                    history.endpoints = endpoints;
                }
                if let Some(arrival) = self.delivered {
                    history.delivered.insert_answered(arrival);
                }
                history.collected |= self.collected.0;
                if let Some(execution) = self.execution {
                    history.execution = Some((execution.ending, execution.result));
                }
                // The first outcome wins.
                history.outcome = history.outcome.take().or(self.outcome);
                history.redelivered = self.redelivered.or(history.redelivered.take());
            }
            _ => return false,
        }
        true
    }
}

impl History {
    fn new(run: RunIn) -> Self {
        Self {
            run_id: run.id,
            spec: run.spec,
            uploads: run.uploads,
            status: None,
            hooks: Hooks::default(),
            phases: Vec::new(),
            execution: None,
            collected: false,
            delivered: Arrivals::default(),
            warnings: Vec::new(),
            endpoints: Endpoints::default(),
            outcome: None,
            redelivered: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use chutes_core::{
        FileKind, JobName, OutputPath, RunRequest, Sha256Digest, UploadResponse, Work,
    };
    use proptest::prelude::*;

    use super::super::{Arrival, Begin, Entry};
    use super::*;

    fn arrival() -> Arrival {
        let path = OutputPath::new(*b"model\xff.bin").unwrap();
        let sha256 = Sha256Digest::from_bytes([9; 32]);
        Arrival { sink: 1, kind: FileKind::Output, path, sha256 }
    }

    fn answered() -> AnsweredArrival {
        let response = UploadResponse {
            file: "a".into(),
            status: 201,
            headers: vec![("etag".into(), "\"7\"".into()), ("x".into(), "y".into())],
            body: "{\"id\":1}\n".into(),
        };
        let path = OutputPath::new(*b"a").unwrap();
        AnsweredArrival { arrival: Arrival { path, ..arrival() }, responses: vec![response] }
    }

    /// The bytes of the journal of a whole run, without its outcome.
    fn written() -> Vec<u8> {
        let file = tempfile::tempfile().unwrap();
        let mut journal = Journal::new(file.try_clone().unwrap());
        let data = Json::parse(r#"{"rate": 1.10}"#).unwrap();
        let job = JobName::new("train").unwrap();
        let spec = JobSpec::job(job, data);
        let request = RunRequest::new(RunId::from_bytes([7; 16]), spec.clone(), "run");
        let result = Json::parse("[1.10]").unwrap();
        for entry in [
            Entry::Run(Begin::new(&request, &spec, true)),
            Entry::Status(Status::Received),
            Entry::Execution { ending: &Ending::Completed, result: Some(&result) },
            Entry::Collected,
            Entry::Delivered(arrival()),
            Entry::Answered(answered()),
            Entry::Warning("it is late"),
        ] {
            journal.append(entry).unwrap();
        }
        let mut bytes = Vec::new();
        (&file).seek(SeekFrom::Start(0)).unwrap();
        (&file).read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// The number of whole lines.
    fn lines_in(bytes: &[u8]) -> usize {
        bytes.split(|byte| *byte == b'\n').count() - 1
    }

    fn read(bytes: &[u8]) -> Reading {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Reading::of(&file).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let reading = read(&written());
        assert_eq!(reading.tail, Tail::Clean);
        let history = reading.history.unwrap();
        let Work::Job { data, .. } = &history.spec.work else { panic!("{:?}", history.spec) };
        assert_eq!(data.as_str(), r#"{"rate":1.10}"#);
        assert_eq!(history.status, Some(Status::Received));
        let result = Json::parse("[1.10]").unwrap();
        assert_eq!(history.execution, Some((Ending::Completed, Some(result))));
        assert!(history.collected && history.outcome.is_none());
        let mut delivered = Arrivals::default();
        delivered.insert(arrival());
        delivered.insert_answered(answered());
        assert_eq!(history.delivered, delivered);
        assert_eq!(history.warnings, ["it is late"]);
    }

    #[test]
    fn a_journal_is_continued_where_it_was_torn() {
        let bytes = written();
        let whole = lines_in(&bytes);
        for length in 0..bytes.len() {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes[..length]).unwrap();
            let reading = Reading::of(&file).unwrap();
            let lines = lines_in(&bytes[..length]);
            let at_end = length == 0 || bytes[length - 1] == b'\n';
            assert_eq!(reading.tail, if at_end { Tail::Clean } else { Tail::Torn });
            assert_eq!(reading.records, lines as u64);
            assert_eq!(reading.history.is_some(), lines > 0);
            file.seek(SeekFrom::End(0)).unwrap();
            let valid = reading.valid;
            let mut journal = reading.resume(file.try_clone().unwrap()).unwrap();
            (&file).seek(SeekFrom::Start(valid)).unwrap();
            if lines > 0 {
                journal.append(Entry::Warning("again")).unwrap();
                let reading = Reading::of(&file).unwrap();
                assert_eq!((reading.tail, reading.records), (Tail::Clean, lines as u64 + 1));
            }
            assert!(lines <= whole);
        }
    }

    #[test]
    fn a_line_that_is_missing_or_doubled_is_damage() {
        let bytes = written();
        let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
        for at in 0..lines.len() - 1 {
            let missing = [&lines[..at], &lines[at + 1..]].concat().concat();
            let doubled = [&lines[..=at], &lines[at..]].concat().concat();
            assert_eq!(read(&missing).records, at as u64);
            assert_eq!(read(&doubled).records, at as u64 + 1);
            assert_eq!(read(&doubled).tail, Tail::Damaged);
        }
    }

    proptest! {
        #[test]
        fn a_changed_byte_is_noticed(at in 0..1_000_usize, byte: u8) {
            let mut bytes = written();
            let at = at % bytes.len();
            if bytes[at] != byte {
                let lines = lines_in(&bytes[..at]);
                bytes[at] = byte;
                prop_assert!(read(&bytes).records <= lines as u64);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }
    }
}
