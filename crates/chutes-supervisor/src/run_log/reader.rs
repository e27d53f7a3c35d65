//! Reads the facts of a run from its file while others may be written, or when the run has ended.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use chutes_core::Event;

use super::record::{MAX_LINE, Position, Record};
use crate::directory::RunRoot;

/// Reads facts in their order, each once.
#[derive(Debug, Default)]
pub(crate) struct FactReader {
    file: Option<File>,
    offset: u64,
    position: Position,
}

impl FactReader {
    /// Reads the facts up to this number, as far as they are there, and hands on those from `first` on. A line that is
    /// not whole yet is left for the next time.
    pub(crate) fn read(
        &mut self,
        root: &RunRoot,
        numbers: std::ops::RangeInclusive<u64>,
        mut each: impl FnMut(Event),
    ) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => root.read_log()?,
        };
        let file = self.file.insert(file);
        let mut reader = BufReader::new(&*file);
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
