//! `run --events`: which events there are, their order, and that the run waits for no reader.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use chutes::Outcome;
use chutes::event::{Event, LogStream, RunEvent};
use chutes_test_support::{Finished, finish, start};

use crate::programs::new_sandbox;

/// The default capacity of a pipe, in bytes.
const PIPE: usize = 64 * 1024;

fn parse(lines: &str) -> Vec<Event> {
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks that the events of an ended run are complete, from its begin to its outcome.
#[track_caller]
fn check_complete(events: &[Event]) -> Outcome {
    assert!(!events.iter().any(|event| matches!(event.what, RunEvent::Missed { .. })));
    check_facts(events)
}

/// Checks that no fact is missing, however many other events are.
#[track_caller]
fn check_facts(events: &[Event]) -> Outcome {
    check_numbers(events);
    assert!(matches!(events[0].what, RunEvent::Run { .. }), "{:?}", events[0]);
    let outcomes = events.iter().filter(|event| matches!(event.what, RunEvent::Outcome { .. }));
    assert_eq!(outcomes.count(), 1);
    match &events.last().unwrap().what {
        RunEvent::Outcome { outcome } => (**outcome).clone(),
        other => panic!("the last event is {other:?}"),
    }
}

/// Each fact is there once, in order.
#[track_caller]
fn check_numbers(events: &[Event]) {
    let facts = events.iter().filter_map(|event| event.seq);
    assert!(facts.clone().eq(1..=facts.count() as u64), "{events:#?}");
}

fn statuses(events: &[Event]) -> Vec<String> {
    let status = |event: &Event| match &event.what {
        RunEvent::Status { status } => Some(status.to_string()),
        _ => None,
    };
    events.iter().filter_map(status).collect()
}

const STATUSES: [&str; 5] =
    ["received", "accepted", "executor_ready", "execution_done", "completed"];

fn make_pipe(path: &Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Opens a pipe for reading without waiting for a writer.
fn open_pipe(path: &Path) -> File {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
    OpenOptions::new().read(true).custom_flags(nonblocking).open(path).unwrap()
}

/// The content of a pipe without a writer.
fn drain(mut pipe: File) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text
}

#[track_caller]
fn check_not_all_written(finished: &Finished, why: &str) {
    let warning = format!("warning: not all events were written: {why}");
    assert_eq!(finished.warnings(), [warning], "{finished:#?}");
}

#[test]
fn into_a_file() {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("events"), "what was there before\n").unwrap();
    let finished =
        sandbox.run("run leaves_a_helper --set files=2 --output sink --events events --json");
    let text = std::fs::read_to_string(sandbox.path("events")).unwrap();
    let events = parse(text.strip_prefix("what was there before\n").unwrap());
    assert_eq!(check_complete(&events), finished.outcome());
    assert_eq!(statuses(&events), STATUSES);
    let phases = events.iter().filter_map(|event| match &event.what {
        RunEvent::Phase { phase, .. } => Some(phase.as_str()),
        _ => None,
    });
    assert_eq!(phases.collect::<Vec<_>>(), ["start", "execute", "upload"]);
    let line = "outputs are written".to_owned();
    let log = RunEvent::Log { stream: LogStream::Stdout, line };
    assert!(events.iter().any(|event| event.what == log), "{events:#?}");
    let files = events.iter().filter(|event| matches!(event.what, RunEvent::File { .. }));
    assert_eq!(files.count(), 4);
    let warning = "the job left a process that had to be ended: sleep".to_owned();
    let warning = RunEvent::Warning { message: warning };
    assert!(events.iter().any(|event| event.what == warning), "{events:#?}");
}

/// A run that never began has no events, and an unwritable target of events prevents a run.
#[test]
fn nowhere() {
    let sandbox = new_sandbox();
    std::fs::create_dir(sandbox.path("folder")).unwrap();
    for (target, code) in [("missing/events", 2), ("fd:77", 2), ("folder", 2)] {
        let finished = sandbox.run(&format!("run echo --set epochs=1 --events {target}"));
        assert_eq!(finished.code, Some(code), "{finished:#?}");
        assert!(finished.errors()[0].contains("cannot write events"), "{finished:#?}");
        assert!(!sandbox.path("runs").exists());
    }
}

/// The newest progress report is never dropped, however many there were.
#[test]
fn newest_progress() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run reports_progress --events events --json");
    let events = parse(&std::fs::read_to_string(sandbox.path("events")).unwrap());
    assert_eq!(check_complete(&events), finished.outcome());
    let reports = events.iter().filter_map(|event| match &event.what {
        RunEvent::Progress(progress) => Some(progress.fraction),
        _ => None,
    });
    let reports: Vec<f64> = reports.collect();
    assert!(reports.is_sorted(), "{reports:?}");
    assert_eq!(reports.last(), Some(&1.0));
}

/// Events through a descriptor: of a pipe, and of a file.
#[test]
fn into_a_descriptor() {
    for redirection in ["3>&1 >/dev/null", "3>events >/dev/null"] {
        let sandbox = new_sandbox();
        let script = format!("\"$@\" {redirection}");
        let wrapper = ["sh", "-c", &script, "sh"];
        let arguments = ["run", "echo", "--set", "epochs=1", "--events", "fd:3"];
        let finished = finish(sandbox.wrapped(&wrapper, &arguments));
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let file = std::fs::read_to_string(sandbox.path("events")).unwrap_or_default();
        let events = parse(&format!("{}{file}", finished.stdout));
        assert_eq!(check_complete(&events).status().to_string(), "completed");
        assert_eq!(finished.warnings(), [""; 0]);
    }
}

/// A slow reader gets everything that fits into the queue, and the end in any case.
#[test]
fn a_slow_reader() {
    let sandbox = new_sandbox();
    make_pipe(&sandbox.path("pipe"));
    let path = sandbox.path("pipe");
    let reader = thread::spawn(move || {
        let mut text = String::new();
        let mut pipe = BufReader::with_capacity(4096, File::open(path).unwrap());
        while pipe.read_line(&mut text).unwrap() > 0 {
            thread::sleep(Duration::from_micros(100));
        }
        text
    });
    let finished = sandbox.run("run prints_much --events pipe --run-dir run");
    let events = parse(&reader.join().unwrap());
    let outcome = if finished.warnings().is_empty() {
        check_complete(&events)
    } else {
        assert!(finished.warnings()[0].ends_with("because their reader was too slow"));
        check_facts(&events)
    };
    assert_eq!(outcome.status().to_string(), "completed");
    assert_eq!(statuses(&events), STATUSES);
}

/// The run ends while the pipe is full: its outcome is on disk.
#[test]
fn a_reader_that_never_reads() {
    let sandbox = new_sandbox();
    make_pipe(&sandbox.path("pipe"));
    let pipe = open_pipe(&sandbox.path("pipe"));
    let finished = sandbox.run("run prints_much --events pipe --run-dir run --json");
    assert_eq!(finished.outcome().status().to_string(), "completed");
    check_not_all_written(&finished, "their reader does not read");
    let text = drain(pipe);
    assert!(text.len() > PIPE / 2, "the pipe was not full: {}", text.len());
    // All lines but the last are whole.
    let (whole, _) = text.rsplit_once('\n').unwrap();
    check_numbers(&parse(whole));
}

/// A pipe without a reader delays neither the begin of the run nor its limits.
#[test]
fn no_reader_at_all() {
    let sandbox = new_sandbox();
    make_pipe(&sandbox.path("pipe"));
    let finished = sandbox.run("run echo --set epochs=1 --events pipe --run-dir run --json");
    assert_eq!(finished.outcome().status().to_string(), "completed");
    check_not_all_written(&finished, "their reader does not read");
}

/// A late reader gets everything from the beginning.
#[test]
fn a_late_reader() {
    let sandbox = new_sandbox();
    make_pipe(&sandbox.path("pipe"));
    let mut running = start(sandbox.command(&[
        "run",
        "waits_for_a_file",
        "--run-dir",
        "run",
        "--events",
        "pipe",
    ]));
    running.wait_for("ready");
    let mut pipe = File::open(sandbox.path("pipe")).unwrap();
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    assert_eq!(check_complete(&parse(&text)).status().to_string(), "completed");
    assert_eq!(running.finish().code, Some(0));
}

#[test]
fn a_reader_that_goes_away() {
    let sandbox = new_sandbox();
    make_pipe(&sandbox.path("pipe"));
    let arguments = ["run", "waits_for_a_file", "--run-dir", "run", "--events", "pipe", "--json"];
    let mut running = start(sandbox.command(&arguments));
    let mut pipe = BufReader::new(File::open(sandbox.path("pipe")).unwrap());
    let mut line = String::new();
    pipe.read_line(&mut line).unwrap();
    assert!(matches!(parse(&line)[0].what, RunEvent::Run { .. }));
    running.wait_for("ready");
    drop(pipe);
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    let finished = running.finish();
    assert_eq!(finished.outcome().status().to_string(), "completed");
    check_not_all_written(&finished, "Broken pipe (os error 32)");
}

/// Limits hold while the pipe is full.
#[test]
fn limits_are_not_delayed() {
    let sandbox = new_sandbox();
    make_pipe(&sandbox.path("pipe"));
    let pipe = open_pipe(&sandbox.path("pipe"));
    let begin = Instant::now();
    let finished = sandbox
        .run("run prints_for_ever --events pipe --run-dir run --time-limit 2 --grace 0 --json");
    assert_eq!(finished.code, Some(124), "{}", finished.stderr.len());
    let outcome = finished.outcome();
    let execute = outcome.phases.iter().find(|phase| phase.phase.as_str() == "execute").unwrap();
    assert!(execute.elapsed < Duration::from_secs(10), "{:?}", execute.elapsed);
    assert!(begin.elapsed() < Duration::from_secs(50));
    let written = drain(pipe).len();
    assert!(written > PIPE / 2, "the pipe was not full: {written} {:?}", finished.warnings());
}

/// A full disk for events is reported, and is no failure of the run.
#[test]
fn full() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run echo --set epochs=1 --events /dev/full --json");
    assert_eq!(finished.outcome().status().to_string(), "completed");
    check_not_all_written(&finished, "No space left on device (os error 28)");
}
