//! Specs that are run in containers: a folder and an engine for one test, and parts of specs.

use std::collections::BTreeSet;
use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chutes::Outcome;
use chutes::event::{Event, RunEvent};
use chutes::outcome::{FailureKind, JobResult};
use chutes_test_support::containers::{Engine, image};
use chutes_test_support::{Finished, Running, Sandbox, start, wait_until};
use serde_json::{Value, json};

use crate::programs::new_sandbox;

/// A folder and an engine, to run one spec after the other.
pub(crate) struct Stage {
    // Containers use the folder, so the engine ends first.
    pub(crate) engine: Engine,
    pub(crate) sandbox: Sandbox,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let sandbox = new_sandbox();
        Self { engine: Engine::start(&sandbox), sandbox }
    }

    /// The same with an engine as it is after its installation.
    pub(crate) fn with_plain_engine() -> Self {
        let sandbox = new_sandbox();
        Self { engine: Engine::start_plain(&sandbox), sandbox }
    }

    /// `chutes` with these arguments, and with this engine.
    pub(crate) fn chutes(&self, arguments: &[&str]) -> Command {
        self.program("chutes", arguments)
    }

    /// A program of the workspace with these arguments, and with this engine.
    pub(crate) fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let program = self.sandbox.programs().neighbour(name);
        let mut command =
            self.sandbox.program(&[&[program.to_str().unwrap()][..], arguments].concat());
        command.env("DOCKER_HOST", self.engine.host());
        command
    }

    /// `chutes exec` of this spec in the directory `run`.
    pub(crate) fn command(&self, spec: &Value) -> Command {
        std::fs::write(self.sandbox.path("spec.json"), spec.to_string()).unwrap();
        let words = "exec spec.json --run-dir run --json --events events --result result \
            --cache-dir cache";
        self.chutes(&words.split_whitespace().collect::<Vec<_>>())
    }

    pub(crate) fn start(&self, spec: &Value) -> Running {
        start(self.command(spec))
    }

    /// Runs a spec to its end.
    #[track_caller]
    pub(crate) fn run(&self, spec: &Value) -> Ended {
        self.ended(self.start(spec).finish())
    }

    /// Runs a spec that completes.
    #[track_caller]
    pub(crate) fn complete(&self, spec: &Value) -> Ended {
        let ended = self.run(spec);
        assert_eq!(ended.finished.code, Some(0), "{ended:#?}");
        ended
    }

    /// Examines what a run has left: the same outcome everywhere, what it returns, and no container.
    #[track_caller]
    pub(crate) fn ended(&self, finished: Finished) -> Ended {
        let outcome = finished.outcome();
        assert_eq!(self.engine.containers(), [""; 0], "{finished:#?}");
        let result = std::fs::read_to_string(self.sandbox.path("result")).unwrap();
        let result = serde_json::from_str(&result).unwrap();
        self.check_result(&result, &outcome);
        let events = std::fs::read_to_string(self.sandbox.path("events")).unwrap();
        let events: Vec<Event> =
            events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let Some(RunEvent::Outcome { outcome: reported }) = events.last().map(|event| &event.what)
        else {
            panic!("the outcome is not the last event: {events:#?}");
        };
        assert_eq!(**reported, outcome);
        Ended { finished, outcome, result, events }
    }

    /// Checks that the returned result agrees with the directory and the outcome.
    #[track_caller]
    fn check_result(&self, result: &JobResult, outcome: &Outcome) {
        let printed = [("stdout", &result.stdout), ("stderr", &result.stderr)];
        for (name, text) in printed {
            let log = std::fs::read(self.path(&format!("logs/{name}.log"))).unwrap_or_default();
            if log.len() <= 1_000_000 {
                assert_eq!(text.as_bytes(), log, "{name}");
            } else {
                assert!(text.len() < 1_000_100, "{} bytes of {name}", text.len());
            }
        }
        let responses = outcome.sinks.iter().flat_map(|sink| &sink.responses);
        let answered: BTreeSet<_> = responses.map(|response| &*response.file).collect();
        let returned: BTreeSet<_> = result.upload_results.keys().map(String::as_str).collect();
        assert_eq!(returned, answered);
        let artifacts = result.artifacts.len() + result.artifacts_left_out.len();
        assert_eq!(artifacts, outcome.artifacts.len(), "{outcome:#?}");
    }

    /// The path of something in the directory of the run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path("run").join(name)
    }

    /// The content of a file in the directory of the run.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        let path = self.path(name);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The same as text.
    #[track_caller]
    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    /// Waits until the container has made this file.
    #[track_caller]
    pub(crate) fn wait_for(&self, name: &str) {
        wait_until(name, || self.path(name).exists());
    }
}

/// A run of a spec that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) finished: Finished,
    pub(crate) outcome: Outcome,
    /// What `--result` wrote.
    pub(crate) result: JobResult,
    pub(crate) events: Vec<Event>,
}

impl Ended {
    /// Checks how it ended, and that the failure says all of these. Returns what it says.
    #[track_caller]
    pub(crate) fn check(
        &self,
        code: i32,
        status: &str,
        kind: FailureKind,
        said: &[&str],
    ) -> String {
        let case = format!("{self:#?}");
        assert_eq!(self.finished.code, Some(code), "{case}");
        assert_eq!(self.outcome.status().to_string(), status, "{case}");
        let failure = self.outcome.ending.failure().unwrap();
        assert_eq!(failure.kind, kind, "{case}");
        let message = [&[failure.message.clone()][..], &failure.causes].concat().join(": ");
        for text in said {
            assert!(message.contains(text), "`{text}` is not said: {case}");
        }
        message
    }

    /// The statuses in the order of the events.
    pub(crate) fn statuses(&self) -> Vec<String> {
        let status = |event: &Event| match &event.what {
            RunEvent::Status { status } => Some(status.to_string()),
            _ => None,
        };
        self.events.iter().filter_map(status).collect()
    }

    /// How long a phase took; `None` if it was not entered.
    pub(crate) fn elapsed(&self, phase: &str) -> Option<Duration> {
        let mut phases = self.outcome.phases.iter();
        phases.find(|report| report.phase.as_str() == phase).map(|report| report.elapsed)
    }
}

/// A spec that runs this in the shell of the test image.
pub(crate) fn shell(script: &str) -> Value {
    json!({"image": image::PLAIN, "args": ["sh", "-ec", script]})
}

/// The same spec with these fields in addition.
pub(crate) fn with(mut spec: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("{more} has no fields") };
    spec.as_object_mut().unwrap().extend(more);
    spec
}

/// A zip file with these members.
pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The files of a zip file, sorted by name.
#[track_caller]
pub(crate) fn unzip(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut member = archive.by_index(index).unwrap();
        let mut content = Vec::new();
        std::io::copy(&mut member, &mut content).unwrap();
        files.push((member.name().unwrap().into_owned(), content));
    }
    files.sort();
    files
}

/// An inline volume with these members.
pub(crate) fn inline(members: &[(&str, &[u8])]) -> Value {
    json!({"type": "inline", "contents": STANDARD.encode(zip(members))})
}

/// Bytes without short repetitions, which depend on the seed.
pub(crate) fn noise(bytes: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ seed;
    let mut content = Vec::with_capacity(bytes + 8);
    while content.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        content.extend(state.to_le_bytes());
    }
    content.truncate(bytes);
    content
}

#[test]
fn zip_members_keep_their_names() {
    let bytes = zip(&[("../evil", b"1"), ("/absolute", b"2")]);
    let expected = [("../evil", "1"), ("/absolute", "2")];
    let expected = expected.map(|(name, content)| (name.to_owned(), content.into()));
    assert_eq!(unzip(&bytes), expected);
}
