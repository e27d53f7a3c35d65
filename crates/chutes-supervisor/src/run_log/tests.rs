//! What was written is read again, whole or torn, and followers get every fact.

use std::io::{Read, Write};

use chutes_core::{
    Ending, FileKind, JobName, JobSpec, Json, LogStream, OutputPath, RunId, RunRequest,
    Sha256Digest, Status, UploadResponse, Work,
};
use proptest::prelude::*;

use super::history::{Reading, Tail};
use super::*;
use crate::RunDirectory;

fn arrival() -> Arrival {
    let path = OutputPath::new(*b"model\xff.bin").unwrap();
    let sha256 = Sha256Digest::from_bytes([9; 32]);
    Arrival { sink: 1, kind: FileKind::Output, path, sha256 }
}

fn answered() -> AnsweredArrival {
    let response = UploadResponse {
        file: "a".into(),
        status: 201,
        headers: vec![("etag".into(), "\"7\"".into()), ("x".into(), "y".into())],
        body: "{\"id\":1}\n".into(),
    };
    let path = OutputPath::new(*b"a").unwrap();
    let (arrival, to) = (Arrival { path, ..arrival() }, "/backup".to_owned());
    AnsweredArrival { arrival, to, responses: vec![response] }
}

fn unanswered() -> AnsweredArrival {
    AnsweredArrival { arrival: arrival(), to: "/other".to_owned(), responses: Vec::new() }
}

/// The directory of a new run.
fn root(folder: &tempfile::TempDir) -> Arc<RunRoot> {
    let directory = RunDirectory::create(&folder.path().join("run")).unwrap();
    Arc::new(RunRoot::open(&directory).unwrap())
}

fn log(root: &Arc<RunRoot>) -> RunLog {
    let file = root.create_log().unwrap();
    RunLog::new(LogFile::new(Arc::clone(root), file), Arc::clone(root))
}

fn begin() -> Fact {
    let data = Json::parse(r#"{"rate": 1.10}"#).unwrap();
    let spec = JobSpec::job(JobName::new("train").unwrap(), data);
    let request = RunRequest::new(RunId::from_bytes([7; 16]), spec.clone(), "run");
    Fact::Run(Box::new(Begin::new(&request, spec, true)))
}

fn warning(message: &str) -> Fact {
    Fact::Warning(message.to_owned())
}

/// The facts of a whole run, without its outcome.
fn facts() -> Vec<Fact> {
    let result = Some(Json::parse("[1.10]").unwrap());
    let message = "a file is tried again".to_owned();
    vec![
        begin(),
        Fact::Status(Status::Received),
        Fact::Event(RunEvent::Phase { phase: chutes_core::Phase::Start, limit: None }),
        Fact::Execution { ending: Ending::Completed, result },
        Fact::Collected,
        Fact::Delivered(unanswered()),
        Fact::Delivered(answered()),
        Fact::Event(RunEvent::Warning { message }),
        warning("it is late"),
    ]
}

/// The bytes of the log of such a run.
fn written() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let log = log(&root);
    for fact in facts() {
        log.record(fact).unwrap();
    }
    let mut bytes = Vec::new();
    root.read_log().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// The number of whole lines.
fn lines_in(bytes: &[u8]) -> usize {
    bytes.split(|byte| *byte == b'\n').count() - 1
}

fn read(bytes: &[u8]) -> Reading {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Reading::of(&file).unwrap()
}

#[test]
fn what_was_written_is_read() {
    let reading = read(&written());
    assert_eq!(reading.tail, Tail::Clean);
    let history = reading.history.unwrap();
    let Work::Job { data, .. } = &history.spec.work else { panic!("{:?}", history.spec) };
    assert_eq!(data.as_str(), r#"{"rate":1.10}"#);
    assert_eq!(history.status, Some(Status::Received));
    let result = Json::parse("[1.10]").unwrap();
    assert_eq!(history.execution, Some((Ending::Completed, Some(result))));
    assert!(history.collected && history.outcome.is_none());
    let mut delivered = Arrivals::default();
    delivered.insert(unanswered());
    delivered.insert(answered());
    assert_eq!(history.delivered, delivered);
    assert_eq!(history.report.warnings, ["it is late"]);
}

#[test]
fn a_log_is_continued_where_it_was_torn() {
    let bytes = written();
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    drop(log(&root));
    // Each byte of the last line, and some of the others: each time, the file is put on disk.
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap();
    for length in (0..last).step_by(23).chain(last - 1..=bytes.len()) {
        std::fs::write(folder.path().join("run/run.jsonl"), &bytes[..length]).unwrap();
        let file = root.open_log().unwrap();
        let reading = Reading::of(&file).unwrap();
        let lines = lines_in(&bytes[..length]) as u64;
        let at_end = length == 0 || bytes[length - 1] == b'\n';
        assert_eq!(reading.tail, if at_end { Tail::Clean } else { Tail::Torn });
        assert_eq!(reading.history.is_some(), lines > 0);
        let log = reading.resume(file, &root, RunReport::default()).unwrap();
        assert_eq!(log.last(), lines);
        if lines > 0 {
            log.record(warning("again")).unwrap();
            let reading = Reading::of(&root.read_log().unwrap()).unwrap();
            assert_eq!((reading.tail, reading.records()), (Tail::Clean, lines + 1));
        }
    }
}

#[test]
fn a_line_that_is_missing_or_doubled_is_damage() {
    let bytes = written();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() - 1 {
        let missing = [&lines[..at], &lines[at + 1..]].concat().concat();
        let doubled = [&lines[..=at], &lines[at..]].concat().concat();
        assert_eq!(read(&missing).records(), at as u64);
        assert_eq!(read(&doubled).records(), at as u64 + 1);
        assert_eq!(read(&doubled).tail, Tail::Damaged);
    }
}

/// All events that a follower has until its run is gone.
async fn events(mut follower: Follower) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = follower.next().await {
        events.push(event);
    }
    events
}

fn line(count: usize) -> RunEvent {
    RunEvent::Log { stream: LogStream::Stdout, line: count.to_string() }
}

/// Whenever a follower comes, and however slow it is, it gets each fact once and in order.
#[tokio::test]
async fn followers_get_every_fact() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let log = log(&root);
    let mut followers = vec![log.follow(1)];
    for fact in facts() {
        log.record(fact).unwrap();
        log.emit(line(0));
        followers.push(log.follow(1));
    }
    // More than is kept for a follower that does not read.
    (0..3 * KEPT_EVENTS).for_each(|count| log.emit(line(count)));
    log.record(warning("the last one")).unwrap();
    let later = log.follow(4);
    drop(log);
    followers.push(Follower::of_ended(&root, 1));
    let count = facts().len() as u64 + 1;
    for follower in followers {
        let events = events(follower).await;
        assert!(events.iter().filter_map(|event| event.seq).eq(1..=count), "{events:?}");
    }
    assert!(events(later).await.iter().filter_map(|event| event.seq).eq(4..=count));
}

/// A follower that does not read sees how much it has missed.
#[tokio::test]
async fn what_is_missed_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let log = log(&root);
    let (slow, total) = (log.follow(1), 2 * KEPT_EVENTS + 100);
    (0..total).for_each(|count| log.emit(line(count)));
    drop(log);
    let events = events(slow).await;
    let missed = events.iter().map(|event| match event.what {
        RunEvent::Missed { events } => events,
        _ => 0,
    });
    let received = events.len() as u64 - 1;
    assert_eq!(missed.sum::<u64>() + received, total as u64);
    assert_eq!(events.last().unwrap().what, line(total - 1));
}

/// What the job prints is only for those that follow it, and costs nothing when there are none.
#[tokio::test]
async fn lines_are_for_their_followers() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let log = log(&root);
    let without = log.follow_without_output(1);
    log.emit(line(1));
    assert_eq!(log.0.events.len(), 0);
    let with = log.follow(1);
    log.emit(line(2));
    assert_eq!(log.0.events.len(), 1);
    log.record(warning("it is late")).unwrap();
    drop(log);
    let is_fact = |event: &Event| event.seq == Some(1);
    let without = events(without).await;
    assert!(without.len() == 1 && is_fact(&without[0]), "{without:?}");
    let with = events(with).await;
    assert!(with.len() == 2 && with[0].what == line(2) && is_fact(&with[1]), "{with:?}");
}

/// Without its file a follower goes on, and sees that facts are missing.
#[tokio::test]
async fn a_log_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let log = log(&root);
    log.record(begin()).unwrap();
    std::fs::remove_file(folder.path().join("run/run.jsonl")).unwrap();
    let follower = log.follow(1);
    log.record(warning("go on")).unwrap();
    drop(log);
    let events: Vec<_> = events(follower).await.into_iter().map(|event| event.what).collect();
    let message = "go on".to_owned();
    assert_eq!(events, [RunEvent::Missed { events: 1 }, RunEvent::Warning { message }]);
}

/// What cannot be written still reaches followers and the outcome.
#[tokio::test]
async fn a_log_that_cannot_be_written() {
    #[derive(Debug)]
    struct Full;

    impl LogStore for Full {
        fn append(&mut self, _: u64, _: &[u8], _: bool) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn keep_name(&mut self) -> io::Result<bool> {
            Ok(false)
        }
    }

    let folder = tempfile::tempdir().unwrap();
    let log = RunLog::new(Full, root(&folder));
    let follower = log.follow(1);
    assert!(log.record(warning("it is late")).is_err());
    assert_eq!(log.report().warnings, ["it is late"]);
    drop(log);
    let events = events(follower).await;
    assert_eq!(events.len(), 1);
    let message = "it is late".to_owned();
    assert_eq!((events[0].seq, &events[0].what), (None, &RunEvent::Warning { message }));
}

proptest! {
    #[test]
    fn a_changed_byte_is_noticed(at in 0..1_000_usize, byte: u8) {
        let mut bytes = written();
        let at = at % bytes.len();
        if bytes[at] != byte {
            let lines = lines_in(&bytes[..at]);
            bytes[at] = byte;
            prop_assert!(read(&bytes).records() <= lines as u64);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
    }
}

/// What happens between both must be done when a follower hears of the fact, also one that comes in between.
#[test]
fn a_fact_that_is_written_and_not_yet_published() {
    let folder = tempfile::tempdir().unwrap();
    let root = root(&folder);
    let log = log(&root);
    log.record(begin()).unwrap();
    let mut before = log.follow(1);
    let written = log.append(&warning("late")).unwrap();
    let mut between = log.follow(1);
    let numbers = |follower: &mut Follower| -> Vec<_> {
        std::iter::from_fn(|| follower.try_next()).map(|event| event.seq).collect()
    };
    assert_eq!([&mut before, &mut between].map(numbers), [[Some(1)], [Some(1)]]);
    log.publish_written(Some(written), warning("late"));
    assert_eq!([&mut before, &mut between].map(numbers), [[Some(2)], [Some(2)]]);
    assert_eq!(numbers(&mut log.follow(1)), [Some(1), Some(2)]);
}
