//! A journal of the run in its outputs: opened before the job, completed after it.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::sync::{Mutex, PoisonError};

use chutes::prelude::*;

/// One line for each thing that was done.
#[derive(Debug)]
pub(crate) struct Journal {
    // Buffered, since there may be very many items.
    file: Mutex<BufWriter<File>>,
}

#[on_startup]
async fn open_journal(ctx: JobContext) -> Result<Journal, JobError> {
    Ok(Journal::create(&ctx)?)
}

/// Runs however the job ended, before the outputs are collected, so that no line is lost. Without
/// it the last lines would stay in the buffer when the job is stopped.
#[on_shutdown]
async fn close_journal(ctx: JobContext) -> Result<(), JobError> {
    Ok(ctx.state::<Journal>()?.complete()?)
}

impl Journal {
    pub(crate) fn create(ctx: &JobContext) -> io::Result<Self> {
        let file = File::create_new(ctx.output_dir().join("journal.log"))?;
        Ok(Self { file: Mutex::new(BufWriter::new(file)) })
    }

    /// Adds a line.
    pub(crate) fn note(&self, line: &str) -> io::Result<()> {
        writeln!(self.lock(), "{line}")
    }

    /// Brings everything to the disk.
    pub(crate) fn complete(&self) -> io::Result<()> {
        let mut file = self.lock();
        file.flush()?;
        file.get_ref().sync_all()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BufWriter<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
