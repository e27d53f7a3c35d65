//! Which output is kept, and which notes there are about the rest.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use chutes_core::LogStream;
use proptest::prelude::*;

use super::disk::{Disk, DiskFile};
use super::index::{OutputIndex, StreamIndex};
use super::{LogCap, LogWriter, Logs, file_name};

/// A disk in memory with a limited number of free bytes.
#[derive(Clone, Default)]
struct SmallDisk {
    room: Rc<Cell<usize>>,
    files: Rc<RefCell<BTreeMap<String, SmallFile>>>,
}

#[derive(Clone)]
struct SmallFile {
    room: Rc<Cell<usize>>,
    content: Rc<RefCell<Vec<u8>>>,
}

impl SmallDisk {
    fn with_room(room: usize) -> Self {
        Self { room: Rc::new(Cell::new(room)), ..Self::default() }
    }

    /// All files, with their names, in the order in which they are read.
    fn files(&self) -> Vec<(String, String)> {
        let number = |name: &str| name.split('.').nth(1).unwrap().parse().unwrap_or(0_u64);
        let files = self.files.borrow();
        let mut files: Vec<_> = files
            .iter()
            .map(|(name, file)| {
                (name.clone(), String::from_utf8_lossy(&file.content.borrow()).into_owned())
            })
            .collect();
        files.sort_by_key(|(name, _)| number(name));
        files
    }

    fn text(&self) -> String {
        self.files().into_iter().map(|(_, content)| content).collect()
    }

    fn writer(&self, cap: u64) -> LogWriter<Self> {
        let cap = LogCap::new(cap).unwrap();
        LogWriter::create_on(self.clone(), LogStream::Stdout, cap, StreamIndex::default()).unwrap()
    }

    /// Checks that an index has all of the output that is in the files, at its place.
    #[track_caller]
    fn check(&self, index: &StreamIndex, output: &str, dropped: u64) {
        let range = |from: u64, length: u64| {
            let [from, length] = [from, length].map(|it| usize::try_from(it).unwrap());
            from..from + length
        };
        let kept = index.kept();
        for extent in &kept {
            let name = file_name(LogStream::Stdout, extent.file);
            let files = self.files.borrow();
            let content = files[&name].content.borrow();
            let found = &content[range(extent.position, extent.length)];
            assert_eq!(
                found,
                &output.as_bytes()[range(extent.offset, extent.length)],
                "{extent:?}"
            );
        }
        let length: u64 = kept.iter().map(|extent| extent.length).sum();
        assert_eq!(length + dropped, output.len() as u64);
    }
}

fn no_space() -> io::Error {
    rustix::io::Errno::NOSPC.into()
}

impl Disk for SmallDisk {
    type File = SmallFile;

    fn create(&self, name: &str) -> io::Result<SmallFile> {
        if self.room.get() == 0 {
            return Err(no_space());
        }
        let file = SmallFile { room: Rc::clone(&self.room), content: Rc::default() };
        let before = self.files.borrow_mut().insert(name.into(), file.clone());
        assert!(before.is_none(), "{name} was there already");
        Ok(file)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let file = self.files.borrow_mut().remove(name);
        file.ok_or(io::ErrorKind::NotFound)?.cut(0)
    }
}

impl DiskFile for SmallFile {
    fn write_at(&self, bytes: &[u8], place: u64) -> io::Result<usize> {
        let mut content = self.content.borrow_mut();
        let place = usize::try_from(place).unwrap();
        assert!(place <= content.len(), "a hole");
        let count = bytes.len().min(content.len() - place + self.room.get());
        if count == 0 {
            return Err(no_space());
        }
        let end = content.len().max(place + count);
        self.room.set(self.room.get() - (end - content.len()));
        content.resize(end, 0);
        content[place..place + count].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        let mut content = self.content.borrow_mut();
        let length = usize::try_from(length).unwrap();
        self.room.set(self.room.get() + content.len().saturating_sub(length));
        content.truncate(length);
        Ok(())
    }
}

fn logs(folder: &std::path::Path) -> Logs {
    let folder = Dir::open_ambient_dir(folder, ambient_authority()).unwrap();
    Logs { folder, index: OutputIndex::default() }
}

/// Output of letters in which each position can be identified.
fn output(length: usize) -> String {
    let mut state: u32 = 7;
    let mut letter = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + u8::try_from((state >> 24) % 26).unwrap())
    };
    (0..length).map(&mut letter).collect()
}

/// Checks the kept output and the notes against the whole output. Returns how many bytes are missing and how long
/// the notes are.
#[track_caller]
fn follow(kept: &str, output: &str) -> (usize, usize) {
    let (mut position, mut missing, mut notes) = (0, 0, 0);
    let mut rest = kept;
    while let Some((before, after)) = rest.split_once("[chutes: ") {
        let before_note = before.strip_suffix('\n').unwrap_or(before);
        assert!(output[position..].starts_with(before_note), "wrong output at {position}");
        let (note, after) = after.split_once("]\n").unwrap();
        let bytes: usize = note.split_once(" bytes of output ").unwrap().0.parse().unwrap();
        position += before_note.len() + bytes;
        missing += bytes;
        notes += rest.len() - before_note.len() - after.len();
        rest = after;
    }
    assert_eq!(&output[position..], rest, "wrong end");
    (missing, notes)
}

#[test]
fn a_short_log_is_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let logs = logs(folder.path());
    let mut log = LogWriter::create(&logs, LogStream::Stderr, LogCap::default()).unwrap();
    log.write(b"two\nli");
    log.write(b"nes, \xff");
    assert_eq!(log.finish(), 0);
    assert_eq!(std::fs::read(folder.path().join("stderr.log")).unwrap(), b"two\nlines, \xff");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let again = LogWriter::create(&logs, LogStream::Stderr, LogCap::default());
    assert_eq!(again.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
}

#[test]
fn a_long_log_keeps_its_beginning_and_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let logs = logs(folder.path());
    let mut log = LogWriter::create(&logs, LogStream::Stdout, LogCap::new(1_024).unwrap()).unwrap();
    let output = output(2_100);
    log.write(output.as_bytes());
    assert_eq!(log.dropped(), 2_100 - 512 - 256 - 52);
    assert_eq!(log.finish(), 2_100 - 512 - 256 - 52);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let note = "[chutes: 1280 bytes of output were dropped here, it goes on in stdout.6.log]";
    assert_eq!(read("stdout.log"), format!("{}\n{note}\n", &output[..512]));
    assert_eq!(read("stdout.6.log"), output[1_792..2_048]);
    assert_eq!(read("stdout.7.log"), output[2_048..]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

#[test]
fn a_full_disk_is_reported_when_there_is_room_again() {
    let disk = SmallDisk::with_room(10);
    let mut log = disk.writer(1_024);
    log.write(b"one\ntwo\nthree\n");
    log.write(b"four\n");
    assert_eq!((disk.text().as_str(), log.dropped()), ("one\ntwo\nth", 9));
    disk.room.set(1_000);
    log.write(b"five\n");
    assert_eq!(log.dropped(), 9);
    let note = "[chutes: 9 bytes of output could not be written here: No space left on device (os error 28)]";
    assert_eq!(disk.text(), format!("one\ntwo\nth\n{note}\nfive\n"));
    assert_eq!(log.finish(), 9);
}

/// A disk with room for half of a note gets no note.
#[test]
fn a_disk_that_stays_full() {
    let disk = SmallDisk::with_room(4);
    let mut log = disk.writer(1_024);
    log.write(b"one\ntwo\n");
    disk.room.set(20);
    log.write(b"three\n");
    assert_eq!((disk.text().as_str(), disk.room.get()), ("one\n", 20));
    assert_eq!(log.finish(), 10);
    assert_eq!(disk.text(), "one\n");
}

#[test]
fn a_name_that_is_taken_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stdout.1.log"), "mine").unwrap();
    let logs = logs(folder.path());
    let mut log = LogWriter::create(&logs, LogStream::Stdout, LogCap::new(1_024).unwrap()).unwrap();
    let output = output(600);
    output.as_bytes().chunks(50).for_each(|chunk| log.write(chunk));
    assert_eq!(log.finish(), 38);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("stdout.1.log"), "mine");
    assert_eq!(follow(&(read("stdout.log") + &read("stdout.2.log")), &output).0, 38);
}

#[test]
fn caps() {
    assert_eq!(
        LogCap::new(1_023).unwrap_err().to_string(),
        "1023 bytes are too few for a log; at least 1024 are needed"
    );
    assert!(LogCap::new(1_024).is_ok());
}

proptest! {
    #[test]
    fn logs_do_not_depend_on_chunks(cap in 1_024..3_000_u64, sizes in sizes(0..1_000)) {
        let output = output(sizes.iter().sum());
        let (whole, in_chunks) = (SmallDisk::with_room(10_000), SmallDisk::with_room(10_000));
        let mut log = whole.writer(cap);
        log.write(output.as_bytes());
        let dropped = log.finish();
        let mut log = in_chunks.writer(cap);
        let index = log.index.clone();
        let mut rest = output.as_bytes();
        for size in sizes {
            let (chunk, later) = rest.split_at(size);
            log.write(chunk);
            rest = later;
        }
        prop_assert_eq!(log.finish(), dropped);
        prop_assert_eq!(in_chunks.files(), whole.files());
        in_chunks.check(&index, &output, dropped);
        let (missing, notes) = follow(&whole.text(), &output);
        prop_assert_eq!(missing as u64, dropped);
        prop_assert!((whole.text().len() - notes) as u64 <= cap);
        // A long log keeps at least its beginning and a quarter of the cap.
        let kept = output.len() - missing;
        prop_assert!(missing == 0 || kept as u64 >= cap / 2 + cap / 4);
    }

    #[test]
    fn a_disk_with_and_without_room(cap in 1_024..3_000_u64, steps in steps()) {
        let output = output(steps.iter().map(|(_, size)| size).sum());
        let disk = SmallDisk::with_room(10_000);
        let mut log = disk.writer(cap);
        let index = log.index.clone();
        let mut rest = output.as_bytes();
        for (room, size) in steps {
            let (chunk, later) = rest.split_at(size);
            disk.room.set(room);
            log.write(chunk);
            rest = later;
        }
        disk.room.set(10_000);
        let dropped = log.finish();
        disk.check(&index, &output, dropped);
        let (missing, notes) = follow(&disk.text(), &output);
        prop_assert_eq!(missing as u64, dropped);
        prop_assert!((disk.text().len() - notes) as u64 <= cap);
    }
}

fn sizes(range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(range, 0..12)
}

/// Pairs of free bytes on the disk and bytes to write.
fn steps() -> impl Strategy<Value = Vec<(usize, usize)>> {
    let room = prop_oneof![Just(0_usize), 0..200_usize, Just(10_000)];
    proptest::collection::vec((room, 0..600_usize), 0..20)
}
