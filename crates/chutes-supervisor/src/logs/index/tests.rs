//! Output that is read while it is written, from any offset.

use cap_std::ambient_authority;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::logs::{LogCap, LogWriter, Logs};

struct Case {
    folder: tempfile::TempDir,
    logs: Logs,
    writer: LogWriter,
}

impl Case {
    /// A log that keeps the least.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let logs = Logs { folder: dir, index: OutputIndex::default() };
        let cap = LogCap::new(1_024).unwrap();
        let writer = LogWriter::create(&logs, LogStream::Stdout, cap).unwrap();
        Self { folder, logs, writer }
    }

    fn reader(&self, offset: u64) -> OutputReader {
        let folder = self.logs.folder.try_clone().unwrap();
        self.logs.index.of(LogStream::Stdout).read(folder, LogStream::Stdout, offset)
    }
}

/// All that is there now: `None` at the end is the end of the output.
fn now(reader: &mut OutputReader) -> (Vec<Chunk>, bool) {
    let mut chunks = Vec::new();
    loop {
        match reader.next().now_or_never() {
            Some(Some(chunk)) => chunks.push(chunk),
            Some(None) => return (chunks, true),
            None => return (chunks, false),
        }
    }
}

fn text(chunks: &[Chunk]) -> String {
    chunks.iter().map(|chunk| String::from_utf8_lossy(&chunk.bytes).into_owned()).collect()
}

#[test]
fn a_reader_that_keeps_up_misses_nothing() {
    let mut case = Case::new();
    let mut reader = case.reader(0);
    for line in 0..500 {
        let line = format!("line {line}\n");
        case.writer.write(line.as_bytes());
        let (chunks, has_ended) = now(&mut reader);
        assert_eq!((text(&chunks), has_ended), (line, false));
    }
    case.writer.finish();
    assert_eq!(now(&mut reader), (Vec::new(), true));
}

#[test]
fn a_file_that_the_job_has_changed_is_a_gap() {
    for change in ["removed", "emptied", "a link", "a folder"] {
        let mut case = Case::new();
        case.writer.write("x".repeat(600).as_bytes());
        let head = case.folder.path().join("stdout.log");
        std::fs::rename(&head, case.folder.path().join("moved")).unwrap();
        match change {
            "removed" => {}
            "emptied" => std::fs::write(&head, "").unwrap(),
            "a link" => std::os::unix::fs::symlink("moved", &head).unwrap(),
            _ => std::fs::create_dir(&head).unwrap(),
        }
        let (chunks, _) = now(&mut case.reader(0));
        assert_eq!(chunks, [Chunk { offset: 512, bytes: vec![b'x'; 88] }], "{change}");
    }
}

proptest! {
    #[test]
    fn any_part_of_the_output(sizes in proptest::collection::vec(1..700_usize, 1..12), from in 0..6_000_u64) {
        let mut case = Case::new();
        let output: String = (0_u8..26).cycle().map(|n| char::from(b'a' + n)).take(sizes.iter().sum()).collect();
        let (mut rest, mut chunks) = (output.as_str(), Vec::new());
        let mut reader = case.reader(from);
        for (number, size) in sizes.into_iter().enumerate() {
            let (part, later) = rest.split_at(size);
            case.writer.write(part.as_bytes());
            rest = later;
            if number % 3 == 0 {
                chunks.extend(now(&mut reader).0);
            }
        }
        case.writer.finish();
        let (last, has_ended) = now(&mut reader);
        chunks.extend(last);
        prop_assert!(has_ended);
        let mut expected = from;
        for Chunk { offset, bytes } in chunks {
            prop_assert!(offset >= expected);
            let start = usize::try_from(offset).unwrap();
            prop_assert_eq!(&output.as_bytes()[start..start + bytes.len()], &bytes);
            expected = offset + bytes.len() as u64;
        }
        prop_assert!(from >= output.len() as u64 || expected == output.len() as u64, "the end is always there");
    }
}
