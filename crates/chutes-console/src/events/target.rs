//! The file of `--events`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use chutes_core::{Event, RunEvent};
use rustix::fs::{Access, access};

use crate::input::file_path;

/// The target of `--events`.
#[derive(Clone, Debug)]
pub(crate) struct EventTarget(PathBuf);

impl EventTarget {
    /// Parses `FILE` or `fd:NUMBER`.
    #[expect(clippy::unnecessary_wraps, reason = "the signature is that of a value parser")]
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Ok(Self(file_path(text)))
    }

    /// The path of the file, for another program that has inherited the descriptors of this one, too.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Opens the file for appending. A pipe is opened later, because that blocks until it has a reader.
    pub(crate) fn open(&self) -> io::Result<EventFile> {
        let path = &self.0;
        if std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
            access(path, Access::WRITE_OK)?;
            return Ok(EventFile::Pipe(path.clone()));
        }
        append_to(path).map(EventFile::Open)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// An opened target of `--events`.
pub(crate) enum EventFile {
    Open(File),
    Pipe(PathBuf),
}

impl EventFile {
    /// A function that writes events, one per line, each line in one write, so that a reader sees whole lines.
    pub(crate) fn writer(self) -> impl FnMut(Option<&Event>) -> io::Result<()> + Send + 'static {
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
