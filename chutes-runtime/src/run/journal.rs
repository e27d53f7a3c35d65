//! The journal of a run, `run.json`: one JSON record per line, each on disk before the run goes on.

use std::fs::File;
use std::io::{self, Write};

use chutes_core::{JobSpec, Outcome, RunId, Status};
use jiff::Timestamp;
use serde::Serialize;

/// One line of the journal.
#[derive(Debug, Serialize)]
struct Record<'a> {
    /// When it was written.
    at: String,
    #[serde(flatten)]
    body: Entry<'a>,
}

/// What a line says. The first is `run`, then changes of status follow, the last is `outcome`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry<'a> {
    Run { id: RunId, spec: &'a JobSpec },
    Status(Status),
    Outcome(&'a Outcome),
}

/// The open journal of a run in progress.
#[derive(Debug)]
pub(crate) struct Journal {
    file: File,
}

impl Journal {
    /// A journal in a new file, opened for appending.
    pub(crate) fn new(file: File) -> Self {
        Self { file }
    }

    /// Writes one line through to the disk.
    pub(crate) fn append(&mut self, body: Entry<'_>) -> io::Result<()> {
        let record = Record { at: Timestamp::now().to_string(), body };
        let mut line = serde_json::to_vec(&record).map_err(io::Error::other)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }
}
