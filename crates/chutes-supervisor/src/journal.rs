//! The journal of a run, `run.json`: an append-only file with one JSON record per line.
//!
//! Each record ends with a checksum that includes that of the record before, so that a torn, changed or missing
//! line is detected. A record that decides how the run ends is on disk before the run goes on.

pub(crate) mod history;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use chutes_core::{
    Attempt, Ending, Endpoints, FileKind, FileState, JobSpec, Json, LabelName, Manifest, Outcome,
    OutputPath, PhaseReport, RunId, RunRequest, Sha256Digest, SinkReport, Status, TraceParent,
    UploadResponse,
};
use chutes_outputs::delivery::Arrived;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::directory::RunRoot;
use super::worker::Hooks;

/// One line of the journal, without its checksum.
#[derive(Debug, Serialize)]
struct Record<'a> {
    /// The number of the record, from 1.
    seq: u64,
    /// When the record was written.
    at: String,
    #[serde(flatten)]
    body: Entry<'a>,
}

/// The content of a record. The first is `run`, the last is `outcome`, unless files were delivered later.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry<'a> {
    /// What was asked for.
    Run(Begin<'a>),
    /// The run went to this status, which is not an end.
    Status(Status),
    /// The hooks of the job, if it has any.
    Hooks(&'a Hooks),
    /// A phase is over.
    Phase(PhaseReport),
    /// The endpoints of the run that are known so far.
    Endpoints(&'a Endpoints),
    /// How user code ended. From here on the outcome depends on the files only.
    Execution { ending: &'a Ending, result: Option<&'a Json> },
    /// The manifest has all files with their checksums.
    Collected,
    /// A sink has this file.
    Delivered(Arrival),
    /// A sink has this file, and these are the answers of its server.
    #[serde(rename = "delivered")]
    Answered(AnsweredArrival),
    /// A new supervisor recovers the run, whose supervisor had ended.
    Recovered,
    /// A problem that does not decide how the run ends.
    Warning(&'a str),
    /// How the run ended.
    Outcome(&'a Outcome),
    /// The deliveries to each sink after the outcome.
    Redelivered(&'a [SinkReport]),
}

/// What was asked for, in the first record.
#[derive(Debug, Serialize)]
pub(crate) struct Begin<'a> {
    id: RunId,
    spec: &'a JobSpec,
    /// Whether files may leave the directory of the run.
    uploads: bool,
    #[serde(skip_serializing_if = "is_first")]
    attempt: Attempt,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<LabelName, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_parent: Option<&'a TraceParent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_by: Option<&'a str>,
}

impl<'a> Begin<'a> {
    /// A request, with its spec as it may be written down.
    pub(crate) fn new(request: &'a RunRequest, spec: &'a JobSpec, uploads: bool) -> Self {
        Self {
            id: request.run_id,
            spec,
            uploads,
            attempt: request.attempt,
            labels: &request.labels,
            trace_parent: request.trace_parent.as_ref(),
            requested_by: request.requested_by.as_deref(),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_first(attempt: &Attempt) -> bool {
    *attempt == Attempt::FIRST
}

impl Entry<'_> {
    /// Whether the run waits until the record is on disk. The loss of another record is harmless: a file is
    /// delivered once more, to the same place.
    fn is_essential(&self) -> bool {
        !matches!(
            self,
            Self::Hooks(_)
                | Self::Phase(_)
                | Self::Endpoints(_)
                | Self::Delivered(_)
                | Self::Answered(_)
                | Self::Warning(_)
        )
    }
}

/// A file that has reached a sink.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrival {
    /// The index of the sink among those of the run.
    pub sink: usize,
    pub kind: FileKind,
    #[serde(flatten)]
    pub path: OutputPath,
    /// The checksum of the content that arrived: a file that has changed since then has to be delivered again.
    pub sha256: Sha256Digest,
}

/// A file that has reached a sink, with the recorded answers of the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AnsweredArrival {
    #[serde(flatten)]
    pub arrival: Arrival,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub responses: Vec<UploadResponse>,
}

/// The files that have reached sinks, each with the checksum of its last content there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrivals(
    HashMap<(usize, FileKind, OutputPath), (Sha256Digest, Vec<UploadResponse>)>,
);

impl Arrivals {
    /// Adds an arrival, in place of an earlier one of the same file at the same sink.
    pub(crate) fn insert(&mut self, arrival: Arrival) {
        self.insert_answered(AnsweredArrival { arrival, responses: Vec::new() });
    }

    /// Adds an arrival with its answers.
    pub(crate) fn insert_answered(&mut self, answered: AnsweredArrival) {
        let AnsweredArrival { arrival: Arrival { sink, kind, path, sha256 }, responses } = answered;
        self.0.insert((sink, kind, path), (sha256, responses));
    }

    /// The arrivals whose content is that of the manifest.
    pub(crate) fn unchanged(&self, manifest: &Manifest) -> Arrived {
        let contents = manifest.all().filter_map(|(kind, file)| match file.state {
            FileState::Collected { sha256, .. } => Some(((kind, &file.path), sha256)),
            _ => None,
        });
        let contents: HashMap<_, _> = contents.collect();
        let unchanged = self
            .0
            .iter()
            .filter(|((_, kind, path), (sha256, _))| contents.get(&(*kind, path)) == Some(sha256));
        unchanged.map(|(place, (_, answers))| (place.clone(), answers.clone())).collect()
    }
}

/// The open journal of a run in progress. Its file is locked for as long as it is open.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
    /// The length of all whole records, in bytes.
    length: u64,
    /// Whether the file may hold part of a record after the whole ones.
    torn: bool,
    records: u64,
    checksum: Checksum,
}

impl Journal {
    /// A journal in a new file, opened for appending.
    pub(crate) fn new(file: File) -> Self {
        Self { file, length: 0, torn: false, records: 0, checksum: Checksum::default() }
    }

    /// Appends one record. An essential record is on disk when this returns.
    pub(crate) fn append(&mut self, body: Entry<'_>) -> io::Result<()> {
        let is_essential = body.is_essential();
        let seq = self.records + 1;
        let record = Record { seq, at: Timestamp::now().to_string(), body };
        let mut line = serde_json::to_vec(&record).map_err(io::Error::other)?;
        let checksum = self.checksum.next(&line);
        line.pop();
        writeln!(line, ",\"sum\":\"{checksum}\"}}")?;
        super::fault::before(seq, &line, &self.file)?;
        self.write(&line, is_essential)?;
        (self.records, self.checksum) = (seq, checksum);
        super::fault::after(seq)?;
        Ok(())
    }

    /// Makes sure that the journal is found under its name, by which alone a recovery knows of the run. Returns whether it
    /// had to be made again.
    fn keep_name(&mut self, root: &RunRoot) -> io::Result<bool> {
        if root.is_journal(&self.file)? {
            return Ok(false);
        }
        let length = usize::try_from(self.length).map_err(io::Error::other)?;
        let mut content = vec![0; length];
        self.file.read_exact_at(&mut content, 0)?;
        self.file = root.restore_journal(&content)?;
        self.torn = false;
        Ok(true)
    }

    /// Writes a whole line or nothing: part of a line, as a full disk leaves it, would hide all records after it,
    /// and a line that may not be on disk must not turn up there later.
    fn write(&mut self, line: &[u8], is_essential: bool) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
        }
        let mut written = self.file.write_all(line);
        if is_essential && written.is_ok() {
            written = self.file.sync_data();
        }
        if written.is_ok() {
            self.length += line.len() as u64;
        }
        self.torn = written.is_err() && self.file.set_len(self.length).is_err();
        written
    }
}

/// The journal of a run, shared by several writers.
#[derive(Clone, Debug)]
pub(crate) struct SharedJournal(Arc<Mutex<Journal>>);

impl SharedJournal {
    pub(crate) fn new(journal: Journal) -> Self {
        Self(Arc::new(Mutex::new(journal)))
    }

    /// See [`Journal::keep_name`].
    pub(crate) fn keep_name(&self, root: &RunRoot) -> io::Result<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep_name(root)
    }

    /// See [`Journal::append`].
    pub(crate) fn append(&self, body: Entry<'_>) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).append(body)
    }
}

/// The checksum of a record and of all records before it: the first 64 bits of a SHA-256.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Checksum(String);

impl Checksum {
    /// The checksum of the next record; `record` does not contain it yet.
    fn next(&self, record: &[u8]) -> Self {
        use std::fmt::Write;

        let digest = Sha256::new().chain_update(&self.0).chain_update(record).finalize();
        let digits = digest.iter().take(8).fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
        });
        Self(digits)
    }
}

impl std::fmt::Display for Checksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
