//! A control socket with clients that behave, and with others: the run goes on as if there were none.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chutes_core::{JobName, JobSpec, Json, LogStream, Progress, RunRequest, Usage};
use proptest::prelude::*;
use serde_json::json;

use super::protocol::{Answer, LogBytes, MAX_REQUEST, Message, Request};
use super::*;
use crate::Supervisor;
use crate::extension::Extension;
use crate::logs::{LogCap, LogWriter, Logs};
use crate::run_log::{Begin, Fact, LogFile};
use crate::{RunDirectory, directory::RunRoot};

/// A run without a worker, whose socket is served.
struct Served {
    folder: tempfile::TempDir,
    directory: PathBuf,
    controls: Controls,
    parts: watch::Sender<Parts>,
    server: ControlServer,
}

impl Served {
    fn start() -> Self {
        Self::at("run")
    }

    fn at(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join(name);
        let made = RunDirectory::create(&directory).unwrap();
        let root = std::sync::Arc::new(RunRoot::open(&made).unwrap());
        let file = root.create_log().unwrap();
        let log = RunLog::new(LogFile::new(root.clone(), file), root.clone());
        let spec = JobSpec::job(JobName::new("train").unwrap(), Json::null());
        let request = RunRequest::new(Supervisor::new_id(), spec.clone(), &directory);
        log.record(Fact::Run(Box::new(Begin::new(&request, spec, true)))).unwrap();
        let parts = watch::Sender::<Parts>::default();
        let declared = Some(Duration::from_secs(100));
        let extension = Extension { limit: watch::Sender::new(None), declared };
        let (cancel, seen) = (CancelHandle::new(), parts.subscribe());
        let output = Some((root, OutputIndex::default()));
        let controls = Controls { log, cancel, extension, parts: seen, output };
        let server = ControlServer::start(&directory, controls.clone()).unwrap();
        Self { folder, directory, controls, parts, server }
    }

    fn client(&self) -> ControlClient {
        ControlClient::connect(&self.directory).unwrap()
    }

    /// A connection without a client.
    fn raw(&self) -> UnixStream {
        socket::connect(&self.directory).unwrap()
    }

    fn warn(&self, message: &str) {
        self.controls.log.record(Fact::Warning(message.to_owned())).unwrap();
    }

    /// Ends the run, and its server.
    async fn end(self) -> tempfile::TempDir {
        drop(self.controls);
        self.server.finish().await;
        self.folder
    }
}

fn numbers(events: Events) -> Vec<u64> {
    events.map(Result::unwrap).filter_map(|event| event.seq).collect()
}

#[tokio::test]
async fn facts_from_a_number_on() {
    let served = Served::start();
    served.warn("one");
    served.warn("two");
    let [all, last] = [1, 3].map(|from| served.client().follow(from).unwrap());
    let mut reading = [all, last].map(|events| std::thread::spawn(move || numbers(events)));
    served.warn("three");
    // Both are connected when the run ends: what they were sent is waiting in their sockets.
    for _ in &mut reading {
        served.client().state().unwrap();
    }
    drop(served.end().await);
    assert_eq!(reading.map(|reading| reading.join().unwrap()), [vec![1, 2, 3, 4], vec![3, 4]]);
}

#[tokio::test]
async fn asked_to_stop() {
    let served = Served::start();
    let (reason, by) = (Some("it diverges".to_owned()), Some("ann".to_owned()));
    let urgency = Urgency::Graceful;
    let request = Request::Cancel { urgency, reason: reason.clone(), by: by.clone() };
    assert_eq!(served.client().ask(request).unwrap(), Answer::Done {});
    assert_eq!(served.controls.cancel.urgency(), Urgency::Graceful);
    assert_eq!(served.controls.cancel.reason(), Some("it diverges (asked by ann)"));
    let now = Request::Cancel { urgency: Urgency::Now, reason: None, by: None };
    served.client().ask(now).unwrap();
    assert_eq!(served.controls.cancel.urgency(), Urgency::Now);
    let mut events = served.client().follow(2).unwrap();
    let first = events.next().unwrap().unwrap();
    assert_eq!(
        (first.seq, first.what),
        (Some(2), RunEvent::CancelRequested { urgency, reason, by })
    );
}

#[tokio::test]
async fn more_time_within_what_is_declared() {
    let served = Served::start();
    let extend =
        |seconds| served.client().ask(Request::Extend { limit: Duration::from_secs(seconds) });
    assert_eq!(extend(90).unwrap(), Answer::Done {});
    assert_eq!(*served.controls.extension.limit.borrow(), Some(Duration::from_secs(90)));
    let error = extend(101).unwrap_err();
    let expected =
        "the supervisor of the run refuses: a run may not take longer than its job declares: ";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[tokio::test]
async fn how_things_stand() {
    let served = Served::start();
    let mut client = served.client();
    assert_eq!(client.state().unwrap(), State::default());
    let usage = Usage { memory: Some(7), ..Usage::default() };
    let read: UsageReader = std::sync::Arc::new(move || Some(usage));
    served.parts.send_modify(|parts| parts.usage = Some(read));
    let progress = Progress::new(0.5, "half");
    served.controls.log.emit(RunEvent::Progress(progress.clone()));
    let expected = State { progress: Some(progress), usage: Some(usage) };
    assert_eq!(client.state().unwrap(), expected);
}

/// What a job prints: from any byte on, while it is printed and when all of it is there.
#[tokio::test]
async fn output_from_an_offset_on() {
    let served = Served::start();
    let (root, output) = served.controls.output.clone().unwrap();
    let logs = Logs { folder: root.folder(FileKind::Log).unwrap(), index: output.clone() };
    let mut log = LogWriter::create(&logs, LogStream::Stdout, LogCap::default()).unwrap();
    let mut all = served.client().logs(LogStream::Stdout, 0).unwrap();
    log.write(b"one\n\xff\n");
    let bytes = |offset, bytes: &[u8]| LogBytes { offset, bytes: bytes.to_vec() };
    assert_eq!(all.next().unwrap().unwrap(), bytes(0, b"one\n\xff\n"));
    log.write(b"two\n");
    assert_eq!(all.next().unwrap().unwrap(), bytes(6, b"two\n"));
    // Nothing is printed to the other stream, and it never begins.
    let silent = served.client().logs(LogStream::Stderr, 0).unwrap();
    let silent = std::thread::spawn(move || silent.count());
    log.write(&vec![b'x'; 200_000]);
    log.finish();
    let rest: Vec<_> = all.map(Result::unwrap).collect();
    assert_eq!(rest.iter().map(|part| part.bytes.len()).sum::<usize>(), 200_000);
    for (from, expected) in [(7, 200_003), (200_009, 1), (200_010, 0), (u64::MAX, 0)] {
        let part = served.client().logs(LogStream::Stdout, from).unwrap().map(Result::unwrap);
        let part: Vec<_> = part.collect();
        assert!(part.first().is_none_or(|first| first.offset == from), "{from}");
        assert_eq!(part.iter().map(|part| part.bytes.len()).sum::<usize>(), expected, "{from}");
    }
    let request = b"{\"version\":1,\"logs\":{\"stream\":\"stdout\",\"from\":6}}\n";
    let line = answer(&served, request);
    assert!(
        line.starts_with("{\"version\":1,\"log\":{\"offset\":6,\"base64\":\"dHdvCnh4"),
        "{line:.80}"
    );
    output.end();
    drop(served.end().await);
    assert_eq!(silent.join().unwrap(), 0);
}

/// What the server answers to these bytes before it closes the connection.
fn answer(served: &Served, bytes: &[u8]) -> String {
    let mut stream = served.raw();
    // The server may close the connection before it has read everything.
    let _ = stream.write_all(bytes);
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line
}

#[tokio::test]
async fn what_is_refused() {
    let served = Served::start();
    let check = |bytes: &[u8], expected: &str| {
        let line = answer(&served, bytes);
        assert!(line.contains("\"refused\":{\"reason\":\"") && line.contains(expected), "{line}");
    };
    check(b"garbage\n", "not a line of the control protocol");
    check(b"\0\xff\n", "not a line of the control protocol");
    check(
        b"{\"version\":7,\"follow\":{}}\n",
        "version 7 of the control protocol is not known here",
    );
    check(b"{\"version\":1,\"logs\":{\"stream\":\"screen\"}}\n", "not understood");
    check(b"{\"version\":1,\"dance\":{}}\n", "not understood");
    check(b"{\"version\":1,\"extend\":{\"limit_seconds\":-1}}\n", "not understood");
    check(b"{\"version\":1,\"add_keys\":{\"keys\":[]}}\n", "the run has no SSH server");
    check(&vec![b'x'; MAX_REQUEST + 10], "a request has at most");
    let long = json!({ "version": 1, "cancel": { "reason": "x".repeat(5_000) } });
    check(format!("{long}\n").as_bytes(), "a text of a request has at most");
    assert_eq!(served.controls.cancel.urgency(), Urgency::None);
    // After all of that it answers as before.
    assert_eq!(served.client().state().unwrap(), State::default());
}

/// A client that goes away in the middle of a line, one that never says anything, and one that never reads.
#[tokio::test]
async fn clients_that_misbehave() {
    let served = Served::start();
    served.raw().write_all(b"{\"version\":1,\"fol").unwrap();
    let _silent = served.raw();
    let mut unread = served.raw();
    unread.write_all(Message::new(Request::Follow { from: 1 }).to_line().as_bytes()).unwrap();
    let line = "x".repeat(1_000);
    let reading = served.client().follow(1).unwrap();
    let reading = std::thread::spawn(move || numbers(reading));
    for _ in 0..12_000 {
        let (stream, line) = (LogStream::Stdout, line.clone());
        served.controls.log.emit(RunEvent::Log { stream, line });
    }
    served.warn("the last one");
    served.client().state().unwrap();
    drop(served.end().await);
    // The one that reads has every fact.
    assert_eq!(reading.join().unwrap(), [1, 2]);
}

#[tokio::test]
async fn two_hundred_followers() {
    let served = Served::start();
    let events = || served.client().follow(1).unwrap();
    let followers: Vec<_> = (0..200).map(|_| events()).collect();
    let followers: Vec<_> =
        followers.into_iter().map(|events| std::thread::spawn(move || numbers(events))).collect();
    (0..20).for_each(|count| served.warn(&count.to_string()));
    served.client().state().unwrap();
    drop(served.end().await);
    for follower in followers {
        assert!(follower.join().unwrap().into_iter().eq(1..=21));
    }
}

#[tokio::test]
async fn the_socket_is_private_and_gone_at_the_end() {
    use std::os::unix::fs::PermissionsExt;

    // The name of a socket may have 107 bytes; that of a directory 255.
    for name in ["run", &"d".repeat(200)] {
        let served = Served::at(name);
        let socket = served.directory.join(socket::NAME);
        assert_eq!(socket.symlink_metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let directory = served.directory.clone();
        served.client().state().unwrap();
        let _folder = served.end().await;
        assert!(!socket.exists());
        let error = ControlClient::connect(&directory).unwrap_err();
        assert!(matches!(error, ControlError::NoSupervisor(_)), "{error}");
    }
}

/// A supervisor that was killed leaves its socket, which the next one replaces.
#[tokio::test]
async fn a_socket_that_was_left() {
    let served = Served::start();
    let left: &Path = &served.directory.join(socket::NAME);
    let directory = served.directory.clone();
    let _folder = served.end().await;
    drop(std::os::unix::net::UnixListener::bind(left).unwrap());
    let error = ControlClient::connect(&directory).unwrap_err();
    assert!(matches!(error, ControlError::NoSupervisor(_)), "{error}");
    drop(socket::listen(&directory).unwrap());
    assert!(left.exists());
}

/// A supervisor that ends between letting a client in and being asked.
#[test]
fn a_supervisor_that_ends_before_it_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let listener =
        std::os::unix::net::UnixListener::bind(folder.path().join(socket::NAME)).unwrap();
    let client = ControlClient::connect(folder.path()).unwrap();
    drop(listener.accept().unwrap());
    let error = client.follow(1).unwrap_err();
    assert!(matches!(error, ControlError::NoSupervisor(_)), "{error}");
}

/// A client of a supervisor that says something else.
#[test]
fn answers_that_are_not_understood() {
    let folder = tempfile::tempdir().unwrap();
    let listener =
        std::os::unix::net::UnixListener::bind(folder.path().join(socket::NAME)).unwrap();
    for line in ["hello\n", "{\"version\":2,\"done\":{}}\n", "{\"version\":1}\n"] {
        let serving = listener.try_clone().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = serving.accept().unwrap();
            stream.write_all(line.as_bytes()).unwrap();
            // Until the client is gone.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let error = ControlClient::connect(folder.path()).unwrap().state().unwrap_err();
        assert!(matches!(error, ControlError::Unknown(_)), "{line}: {error}");
        server.join().unwrap();
    }
}

proptest! {
    #[test]
    fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..100), text in ".{0,60}") {
        let _ = Message::<Request>::from_line(&line);
        let _ = Message::<Answer>::from_line(text.as_bytes());
        let request = format!("{{\"version\":1,\"cancel\":{{\"reason\":{}}}}}", json!(text));
        let urgency = Urgency::Graceful;
        let expected = Request::Cancel { urgency, reason: Some(text), by: None };
        prop_assert_eq!(Message::<Request>::from_line(request.as_bytes()), Ok(expected));
    }
}
