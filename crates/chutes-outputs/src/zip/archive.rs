//! A zip file that grows: one file after the other, and last of all the manifest, or what the job
//! printed.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use chutes_core::{FileKind, LogStream, Manifest, OutputPath};
use chutes_transfer::TransferError;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::layout::{Layout, Member};
use crate::SourceFile;
use crate::attributes::Attributes;
use crate::blocking::{Abandoned, failed};
use crate::copying::{copy_content, open};

/// The fastest level, which saves most of the space that can be saved.
const LEVEL: i64 = 1;

/// How many samples of a file decide whether it is compressed, and how long they are.
const SAMPLES: u64 = 4;
const SAMPLE: usize = 16 * 1024;

/// Content of more bits per byte is stored as it is: weights, pictures, and what is compressed already
/// have more, text and tables have fewer.
const COMPRESSIBLE_BITS: f64 = 7.0;

/// Longer files need 64-bit sizes; a little less than 4 GiB, for compression can make a file longer.
const LARGE: u64 = 0xF000_0000;

/// A zip file while it is written.
pub(super) struct Archive {
    state: State,
    layout: Arc<Layout>,
    /// What the job printed, in parts that become one member each stream.
    parts: Vec<(LogStream, u64, SourceFile)>,
    /// What is in it: a file is sent again when the attempt that added it was dropped.
    added: HashSet<(FileKind, OutputPath)>,
}

type Writer = ZipWriter<BufWriter<File>>;

enum State {
    Open(Box<Writer>),
    Sealed(Arc<File>),
    /// Something failed that left it in an unknown state.
    Broken(TransferError),
}

impl Archive {
    pub(super) fn new(file: File, layout: Arc<Layout>) -> Self {
        let writer = ZipWriter::new(BufWriter::with_capacity(256 * 1024, file));
        let (state, parts) = (State::Open(Box::new(writer)), Vec::new());
        Self { state, layout, parts, added: HashSet::new() }
    }

    /// Adds a file, or leaves the archive as it was.
    pub(super) fn add(
        &mut self,
        file: &SourceFile,
        abandoned: &Abandoned,
    ) -> Result<(), TransferError> {
        let key = (file.kind, file.path.clone());
        if self.added.contains(&key) {
            return Ok(());
        }
        let writer = match &mut self.state {
            State::Open(writer) => writer,
            State::Broken(error) => return Err(error.clone()),
            State::Sealed(_) => {
                return Err(TransferError::permanent("the zip file is complete already"));
            }
        };
        let name = match self.layout.member(file) {
            Member::Whole(name) => name,
            Member::Part(stream, number) => {
                // It is added later with the other parts of its stream, but it must be readable now.
                copy_content(file, &mut io::sink(), abandoned)?;
                self.parts.push((stream, number, file.clone()));
                self.added.insert(key);
                return Ok(());
            }
        };
        let from = open(file)?;
        let attributes = Attributes::of(&from)?;
        let options = options(method(&from, file.bytes)?)
            .large_file(file.bytes >= LARGE)
            .unix_permissions(attributes.archive_mode())
            .last_modified_time(attributes.zip_time());
        writer.start_file(name, options).map_err(|error| wrong(&error))?;
        let result = copy_content(file, writer, abandoned);
        match result {
            Ok(()) => {
                self.added.insert(key);
                Ok(())
            }
            Err(error) => {
                if let Err(worse) = writer.abort_file() {
                    self.state = State::Broken(wrong(&worse));
                }
                Err(error)
            }
        }
    }

    /// Adds what comes last and closes the archive, once. What is read for that is counted in `moved`.
    pub(super) fn seal(
        &mut self,
        manifest: &Manifest,
        moved: &Arc<AtomicU64>,
        abandoned: &Abandoned,
    ) -> Result<Arc<File>, TransferError> {
        match &self.state {
            State::Sealed(file) => return Ok(file.clone()),
            State::Broken(error) => return Err(error.clone()),
            State::Open(_) => {}
        }
        let unknown =
            State::Broken(TransferError::permanent("the zip file could not be completed"));
        let State::Open(mut writer) = std::mem::replace(&mut self.state, unknown) else {
            return Err(TransferError::permanent("the zip file is not open"));
        };
        let last = match &*self.layout {
            Layout::Run => add_manifest(&mut writer, manifest).map_err(|error| wrong(&error)),
            Layout::SystemOutput { .. } => self.add_logs(&mut writer, manifest, moved, abandoned),
        };
        match last.and_then(|()| close(*writer).map_err(|error| wrong(&error))) {
            Ok(file) => {
                let file = Arc::new(file);
                self.state = State::Sealed(file.clone());
                Ok(file)
            }
            Err(error) => {
                let error = TransferError { is_transient: false, ..error };
                self.state = State::Broken(error.clone());
                Err(error)
            }
        }
    }

    /// Adds what the job printed: each stream as one text, also when it is empty.
    fn add_logs(
        &self,
        writer: &mut Writer,
        manifest: &Manifest,
        moved: &Arc<AtomicU64>,
        abandoned: &Abandoned,
    ) -> Result<(), TransferError> {
        for (stream, name) in self.layout.log_names(manifest) {
            let mut parts: Vec<_> = self.parts.iter().filter(|part| part.0 == stream).collect();
            parts.sort_by_key(|(_, number, _)| *number);
            let bytes: u64 = parts.iter().map(|(.., file)| file.bytes).sum();
            let first =
                parts.first().map(|(.., file)| method(&open(file)?, file.bytes)).transpose()?;
            let options = options(first.unwrap_or(CompressionMethod::Stored));
            let last = parts.last().map(|(.., file)| Attributes::of(&open(file)?)).transpose()?;
            let time = last.map_or(zip::DateTime::DEFAULT, |last| last.zip_time());
            let options = options.large_file(bytes >= LARGE).last_modified_time(time);
            writer.start_file(name, options).map_err(|error| wrong(&error))?;
            for (.., file) in parts {
                let file = SourceFile { sent: Arc::clone(moved), ..file.clone() };
                copy_content(&file, writer, abandoned)?;
            }
        }
        Ok(())
    }
}

fn add_manifest(writer: &mut Writer, manifest: &Manifest) -> Result<(), ZipError> {
    let options = options(CompressionMethod::Deflated).large_file(true);
    writer.start_file("manifest.json", options)?;
    let mut text = BufWriter::new(writer);
    serde_json::to_writer_pretty(&mut text, manifest).map_err(io::Error::from)?;
    Ok(text.flush()?)
}

fn close(writer: Writer) -> Result<File, ZipError> {
    let mut file = writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
    // After the end there may be the rest of a file that was removed again.
    let end = file.stream_position()?;
    file.set_len(end)?;
    Ok(file)
}

fn options(method: CompressionMethod) -> SimpleFileOptions {
    let level = (method == CompressionMethod::Deflated).then_some(LEVEL);
    let options = SimpleFileOptions::default().unix_permissions(0o600);
    options.compression_method(method).compression_level(level)
}

/// Whether it is worth while to compress a file of so many bytes.
fn method(from: &File, bytes: u64) -> Result<CompressionMethod, TransferError> {
    let error = |error: io::Error| failed("it cannot be opened", &error);
    let mut counts = [0_u32; 256];
    let mut buffer = vec![0; SAMPLE];
    for sample in 0..SAMPLES {
        let count = from.read_at(&mut buffer, bytes / SAMPLES * sample).map_err(error)?;
        for &byte in &buffer[..count] {
            counts[usize::from(byte)] += 1;
        }
    }
    let is_compressible = bits_per_byte(&counts) < COMPRESSIBLE_BITS;
    Ok(if is_compressible { CompressionMethod::Deflated } else { CompressionMethod::Stored })
}

/// The entropy of bytes with these frequencies.
fn bits_per_byte(counts: &[u32; 256]) -> f64 {
    let total: f64 = counts.iter().copied().map(f64::from).sum();
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / total);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

fn wrong(error: &ZipError) -> TransferError {
    match error {
        ZipError::Io(error) => failed("cannot write the zip file", error),
        error => TransferError::permanent(format!("cannot write the zip file: {error}")),
    }
}
