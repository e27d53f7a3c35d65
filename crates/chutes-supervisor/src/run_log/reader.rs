//! Reads the facts of a run from its file while others may be written, or when the run has ended.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use chutes_core::Event;

use super::Fact;
use super::history::{Tail, may_be_record};
use super::record::{MAX_LINE, Position, Record};
use crate::directory::RunRoot;

/// Reads facts in their order, each once. It holds no descriptor between two readings: there may be hundreds of followers,
/// and the file may have been written again.
#[derive(Debug, Default)]
pub(crate) struct FactReader {
    offset: u64,
    position: Position,
}

impl FactReader {
    /// Reads the facts up to the last of these numbers, as far as they are there, and hands on those from the first on. A
    /// line that is not whole yet is left for the next time.
    pub(crate) fn read(
        &mut self,
        root: &RunRoot,
        numbers: std::ops::RangeInclusive<u64>,
        mut each: impl FnMut(Event),
    ) -> io::Result<()> {
        let file = root.read_log()?;
        let mut reader = BufReader::new(&file);
        reader.seek(SeekFrom::Start(self.offset))?;
        let (run_dir, mut line) = (root.shown(), Vec::new());
        while self.position.records < *numbers.end() {
            let Some(record) = next(&mut reader, &mut line, &mut self.position)? else { break };
            self.offset += line.len() as u64;
            if numbers.contains(&record.seq) {
                each(record.into_event(&run_dir));
            }
        }
        Ok(())
    }
}

/// How far a log was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanned {
    /// The number of valid records.
    pub(crate) records: u64,
    /// The content of the file after them. A supervisor that is alive leaves a line torn for a moment.
    pub(crate) tail: Tail,
}

/// Reads a log from its beginning, and hands on each fact with its time; `None` is one that only a later version
/// knows. No more than one line is in memory.
pub(crate) fn scan(file: &File, mut each: impl FnMut(&str, Option<Fact>)) -> io::Result<Scanned> {
    let mut reader = BufReader::new(file);
    let (mut position, mut line) = (Position::default(), Vec::new());
    loop {
        line.clear();
        let mut tail = Tail::Damaged;
        if may_be_record(reader.fill_buf()?) {
            if reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(Scanned { records: position.records, tail: Tail::Clean });
            }
            if let Some(record) = position.read(&line) {
                each(&record.at, record.fact);
                continue;
            }
            // More may have been written since the end of the file was reached.
            if line.last() != Some(&b'\n') && (line.len() as u64) < MAX_LINE {
                tail = Tail::Torn;
            }
        }
        return Ok(Scanned { records: position.records, tail });
    }
}

/// The record of the next line, if that is whole and right. The line is in the buffer.
fn next(
    reader: &mut BufReader<&File>,
    line: &mut Vec<u8>,
    position: &mut Position,
) -> io::Result<Option<Record>> {
    line.clear();
    reader.by_ref().take(MAX_LINE).read_until(b'\n', line)?;
    Ok(position.read(line))
}
