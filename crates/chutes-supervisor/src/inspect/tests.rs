//! Runs are looked at while they go on, after their end and after their supervisor was lost.

use std::fs;
use std::os::unix::fs::symlink;

use chutes_core::{EndStatus, LogStream, RunRequest, Status};

use super::*;
use crate::logs::index::OutputIndex;
use crate::logs::{LogCap, LogWriter, Logs};
use crate::testing::{attempt, execute};

/// The content of a directory, with the times of change.
fn content(path: &Path) -> Vec<(String, u64, SystemTime)> {
    let entries = fs::read_dir(path).unwrap().map(|entry| {
        let (name, metadata) = (entry.as_ref().unwrap().file_name(), entry.unwrap().metadata());
        let metadata = metadata.unwrap();
        (name.to_string_lossy().into_owned(), metadata.len(), metadata.modified().unwrap())
    });
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    entries
}

#[tokio::test]
async fn from_its_begin_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let created = attempt(&path, true, Vec::new()).create().unwrap();
    let run = view(&path).unwrap();
    assert!(run.is_supervised && !run.is_lost() && !is_over(&path), "{run:?}");
    assert!(run.outcome.is_none() && run.ended.is_none() && run.damage.is_none());
    let listing = list(folder.path(), Which::Open).unwrap();
    assert!(matches!(&listing.runs[0].state, ListedState::Open(run) if run.is_supervised));
    drop(created);
    let run = view(&path).unwrap();
    assert!(run.is_lost() && is_over(&path), "{run:?}");
    let listing = list(folder.path(), Which::Open).unwrap();
    assert!(matches!(&listing.runs[0].state, ListedState::Open(run) if run.is_lost()));
}

#[tokio::test]
async fn a_run_that_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    execute(&path).await;
    let before = content(&path);
    let run = view(&path).unwrap();
    assert_eq!(run.status, Status::Completed);
    assert!(run.ended.unwrap() >= run.began && !run.is_supervised && run.phase.is_none());
    let outcome = run.outcome.as_ref().unwrap();
    assert_eq!((outcome.run_id, &outcome.phases), (run.run_id, &run.report.phases));
    assert!(list(folder.path(), Which::Open).unwrap().runs.is_empty());
    // With the outcome as a file, and without it as version 0.1.0 left runs.
    for _ in 0..2 {
        let listing = list(folder.path(), Which::All).unwrap();
        let [listed] = listing.runs.as_slice() else { panic!("{listing:?}") };
        assert_eq!((listed.run_id, listed.began), (run.run_id, run.began));
        let ListedState::Ended { status, elapsed } = listed.state else { panic!("{listed:?}") };
        let expected = outcome.phases.iter().map(|report| report.elapsed).sum();
        assert_eq!((status, elapsed), (EndStatus::Completed, expected));
        if path.join("outcome.json").exists() {
            assert_eq!(content(&path), before);
            fs::remove_file(path.join("outcome.json")).unwrap();
        }
    }
    assert!(list(folder.path(), Which::Open).unwrap().runs.is_empty());
}

/// What cannot be read does no harm to what can.
#[tokio::test]
async fn what_is_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    execute(&at("good")).await;
    let log = fs::read(at("good/run.jsonl")).unwrap();
    for (name, content) in [
        ("empty", &b""[..]),
        ("torn", &log[..40]),
        ("foreign", b"{\"name\": \"mine\"}\n"),
        ("binary", &[0; 4096]),
    ] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("run.jsonl"), content).unwrap();
    }
    fs::create_dir(at("notes")).unwrap();
    fs::write(at("file"), "").unwrap();
    symlink(at("good"), at("link")).unwrap();
    fs::create_dir(at("linked-log")).unwrap();
    symlink(at("good/run.jsonl"), at("linked-log/run.jsonl")).unwrap();
    fs::create_dir(at("pipe")).unwrap();
    let (cwd, mode) = (rustix::fs::CWD, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
    for name in ["run.jsonl", "outcome.json", "manifest.json"] {
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(cwd, at("pipe").join(name), fifo, mode, 0).unwrap();
    }
    let name_of = |name: &str| view(&at(name)).unwrap_err();
    for name in ["empty", "torn"] {
        assert!(matches!(name_of(name), InspectError::Empty { .. }), "{name}");
    }
    for name in ["foreign", "binary"] {
        assert!(matches!(name_of(name), InspectError::Foreign { .. }), "{name}");
    }
    for name in ["linked-log", "pipe"] {
        assert!(matches!(name_of(name), InspectError::Unreadable { .. }), "{name}");
    }
    assert!(matches!(name_of("notes"), InspectError::NoRun { .. }));
    for name in ["file", "missing"] {
        assert!(matches!(name_of(name), InspectError::Directory { .. }), "{name}");
    }
    let listing = list(folder.path(), Which::All).unwrap();
    assert_eq!(listing.runs.len(), 1, "{listing:?}");
    assert_eq!(listing.unreadable.len(), 6, "{listing:?}");
}

#[tokio::test]
async fn a_damaged_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    execute(&path).await;
    let log = path.join("run.jsonl");
    let mut text = fs::read(&log).unwrap();
    let at = text.windows(9).position(|part| part == b"\"seq\":3,\"").unwrap();
    text[at + 20] ^= 1;
    fs::write(&log, text).unwrap();
    let run = view(&path).unwrap();
    let damage = run.damage.as_ref().unwrap();
    assert_eq!((damage.line, &damage.path), (3, &log));
    assert!(run.is_lost());
}

#[tokio::test]
async fn names_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    execute(&at("first")).await;
    let id = view(&at("first")).unwrap().run_id;
    let (long, short) = (id.to_string(), id.short());
    let found = |run: &str| resolve(run.as_ref(), folder.path());
    for run in [&*long, &long.to_uppercase(), &short, "first", at("first").to_str().unwrap()] {
        assert_eq!(found(run).unwrap(), at("first"), "{run}");
    }
    // The runs of this test have the same id.
    execute(&at("second")).await;
    let Err(ResolveError::Ambiguous { count: 2, candidates, .. }) = found(&long[..4]) else {
        panic!("{:?}", found(&long[..4]))
    };
    assert_eq!(candidates[0].directory, at("second"));
    for run in [&long[..3], "", "third", "..", "zzzz"] {
        let Err(ResolveError::Unknown { candidates, .. }) = found(run) else { panic!("{run}") };
        assert_eq!(candidates.len(), 2, "{run}");
    }
}

/// The rest of a log.
fn rest(log: &mut JobLog) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0; 100]);
    loop {
        match log.read(&mut buffer).unwrap() {
            0 => return String::from_utf8(text).unwrap(),
            count => text.extend_from_slice(&buffer[..count]),
        }
    }
}

/// A folder for logs, and a writer of it that keeps the least.
fn writer(path: &Path) -> LogWriter {
    let logs = RunDirectory::create(path).unwrap().logs();
    let logs = cap_std::fs::Dir::open_ambient_dir(logs, cap_std::ambient_authority()).unwrap();
    let cap = LogCap::new(RunRequest::MIN_LOG_LIMIT).unwrap();
    let logs = Logs { folder: logs, index: OutputIndex::default() };
    LogWriter::create(&logs, LogStream::Stdout, cap).unwrap()
}

#[test]
fn the_last_lines() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut writer = writer(&path);
    let lines: Vec<String> = (0..90).map(|line| format!("line {line}\n")).collect();
    writer.write(lines.concat().as_bytes());
    writer.write(b"unfinished");
    let all = lines.concat() + "unfinished";
    assert!(path.join("logs/stdout.1.log").exists() && !path.join("logs/stdout.3.log").exists());
    for count in [0, 1, 2, 50, 90, 91, 92, u64::MAX] {
        let mut log = JobLog::open(&path, LogStream::Stdout).unwrap();
        log.skip_to_last(count).unwrap();
        let skipped = usize::try_from(91_u64.saturating_sub(count)).unwrap();
        let from = lines.iter().take(skipped).map(String::len).sum::<usize>();
        let expected = if count == 0 { "" } else { &all[from..] };
        assert_eq!(rest(&mut log), expected, "{count}");
    }
}

#[test]
fn read_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    let mut writer = writer(&path);
    let mut log = JobLog::open(&path, LogStream::Stdout).unwrap();
    assert_eq!(rest(&mut log), "");
    // A reader that keeps up misses nothing, however many files there were.
    for line in 0..500 {
        let text = format!("line {line}\n");
        writer.write(text.as_bytes());
        assert_eq!(rest(&mut log), text);
    }
    // One that does not is told so. What it has opened it reads to its end.
    writer.write("x\n".repeat(2_000).as_bytes());
    let read = rest(&mut log);
    assert!(read.starts_with("x\n"), "{read}");
    assert_eq!(read.matches("[chutes: output was dropped here, it goes on in").count(), 1);
    let position = read.find("[chutes").unwrap();
    assert_eq!(&read[position - 1..position], "\n");
    writer.finish();
    assert_eq!(rest(&mut log), "");
}

#[test]
fn what_a_job_puts_among_its_logs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    writer(&path).write(b"mine\n");
    let at = |name: &str| path.join("logs").join(name);
    fs::write(folder.path().join("secret"), "secret\n").unwrap();
    symlink(folder.path().join("secret"), at("stdout.1.log")).unwrap();
    let (cwd, mode) = (rustix::fs::CWD, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
    rustix::fs::mknodat(cwd, at("stdout.2.log"), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::create_dir(at("stdout.3.log")).unwrap();
    for name in ["stdout.04.log", "stdout..log", "stdout.x.log", "stdout.log.old", "stderr.1.log"] {
        fs::write(at(name), "no log\n").unwrap();
    }
    let mut log = JobLog::open(&path, LogStream::Stdout).unwrap();
    assert_eq!(rest(&mut log), "mine\n");
    fs::remove_dir_all(path.join("logs")).unwrap();
    symlink(folder.path(), path.join("logs")).unwrap();
    let refused = JobLog::open(&path, LogStream::Stdout).unwrap_err();
    assert!(matches!(refused, InspectError::Unreadable { .. }), "{refused}");
}
