//! Deliveries that were interrupted, or were not possible when the run ended.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use chutes::Outcome;
use chutes::manifest::FileState;
use chutes::outcome::FailureKind;
use chutes::sink::DeliveryState;
use chutes_test_support::record::journal;
use chutes_test_support::servers::s3::{BUCKET, S3Server};
use chutes_test_support::{Finished, Sandbox, finish};
use rustix::process::Signal;
use sha2::{Digest, Sha256};

use super::{STOP, copy, count, records, recover, run_json, wait_for_worker, with_fault};
use crate::programs::new_sandbox;

/// The number of files of the larger runs.
const MANY: usize = 300;

/// The same for a directory, which small files get to in groups.
const MANY_TOGETHER: usize = 1_500;

/// The number of files that have arrived for certain when the supervisor is killed.
const ARRIVED: usize = 100;

/// The records of a run before its first delivery: its begin, 4 changes of status, 2 phases, how the
/// job ended, the helper that it left, and that its files are collected.
const BEFORE_DELIVERY: usize = 10;

/// All files below a folder with their checksums.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let found = std::process::Command::new("find").arg(folder).args(["-type", "f"]).output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    let of = |path: &str| (path.to_owned(), Sha256::digest(std::fs::read(path).unwrap()).to_vec());
    let contents = found.lines().map(of);
    let prefix = format!("{}/", folder.display());
    contents.map(|(path, sum)| (path.strip_prefix(&prefix).unwrap().to_owned(), sum)).collect()
}

/// Every output and every log is on record once for the sink, and delivered.
#[track_caller]
fn check_all_delivered(root: &Path, outcome: &Outcome, files: usize) {
    let mut times: HashMap<String, usize> = HashMap::new();
    for record in journal(root) {
        if let Some(delivered) = record.get("delivered") {
            assert_eq!(delivered["sink"], 0);
            *times.entry(format!("{} {}", delivered["kind"], delivered["path"])).or_default() += 1;
        }
    }
    assert_eq!(times.len(), files + 2);
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert_eq!(outcome.outputs.len(), files);
    for file in outcome.outputs.iter().chain(&outcome.logs) {
        assert!(matches!(file.state, FileState::Collected { .. }), "{file:?}");
        let states: Vec<_> = file.deliveries.iter().map(|delivery| &delivery.state).collect();
        assert_eq!(states, [&DeliveryState::Delivered], "{file:?}");
    }
    let report = &outcome.sinks[0];
    assert_eq!((report.delivered, report.failed, outcome.sinks.len()), (files as u64 + 2, 0, 1));
}

/// Kills the supervisor while files are delivered, and then again while they are delivered by
/// `recover`. `configure` says how the sink is reached; `at_sink` where the files are then.
#[track_caller]
fn check_killed_while_delivering(
    sandbox: &Sandbox,
    (files, sink): (usize, &str),
    configure: impl Fn(&mut std::process::Command),
    at_sink: &Path,
) {
    let data = format!(r#"{{"files": {files}}}"#);
    let run = ["run", "leaves_a_helper", "--data", &data, "--output", sink, "--run-dir", "run"];
    let again = ["recover", "run"];
    let mut record = BEFORE_DELIVERY + ARRIVED;
    for arguments in [&run[..], &again[..]] {
        let mut command = with_fault(sandbox, arguments, STOP, record);
        configure(&mut command);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()));
        wait_for_worker(sandbox);
        assert!(contents(at_sink).len() < files, "the delivery was over");
        let on_record = count(&records(&sandbox.path("run")), "delivered");
        assert!((ARRIVED / 2..files).contains(&on_record), "{on_record}");
        record += ARRIVED;
    }
    let mut command = sandbox.command(&["recover", "run", "--json"]);
    configure(&mut command);
    let recovered = finish(command);
    assert_eq!(recovered.code, Some(0), "{recovered:#?}");
    check_all_delivered(&sandbox.path("run"), &recovered.recovered_outcome(), files);
    let mut there = contents(at_sink);
    there.retain(|path, _| path.starts_with("outputs/") || path.starts_with("logs/"));
    let mut here = contents(&sandbox.path("run/outputs"))
        .into_iter()
        .map(|(path, sum)| (format!("outputs/{path}"), sum))
        .collect::<BTreeMap<_, _>>();
    let logs = contents(&sandbox.path("run/logs")).into_iter();
    here.extend(logs.map(|(path, sum)| (format!("logs/{path}"), sum)));
    let differs = |path: &&String| here.get(*path) != there.get(*path);
    let differing: Vec<_> = here.keys().chain(there.keys()).filter(differs).collect();
    assert_eq!((here.len(), differing), (files + 2, Vec::new()));
    assert!(!sandbox.path("run/sinks.json").exists());
    let leftovers = contents(at_sink).into_keys().filter(|path| path.contains(".part"));
    assert_eq!(leftovers.count(), 0);
    recover(sandbox, "run");
}

#[test]
fn killed_while_copying() {
    let sandbox = new_sandbox();
    let at_sink = sandbox.path("sink");
    check_killed_while_delivering(&sandbox, (MANY_TOGETHER, "sink"), |_| (), &at_sink);
}

#[test]
fn killed_while_uploading() {
    let sandbox = new_sandbox();
    let server = S3Server::start();
    let at_sink = server.folder(BUCKET).join("runs/1");
    let configure = |command: &mut std::process::Command| {
        command.envs(server.environment());
    };
    let sink = format!("s3://{BUCKET}/runs/1");
    check_killed_while_delivering(&sandbox, (MANY, &sink), configure, &at_sink);
}

/// A run that has ended while its sink was away: a file is in the place of the directory.
struct Undelivered {
    sandbox: Sandbox,
    finished: Finished,
}

impl Undelivered {
    #[track_caller]
    fn new() -> Self {
        let sandbox = new_sandbox();
        let mut running = sandbox.start("run waits_for_a_file --run-dir run --output sink --json");
        running.wait_for("ready");
        std::fs::remove_dir_all(sandbox.path("sink")).unwrap();
        std::fs::write(sandbox.path("sink"), "in the way").unwrap();
        std::fs::write(sandbox.path("run/outputs/model.bin"), "the model").unwrap();
        std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
        let finished = running.finish();
        assert_eq!(finished.code, Some(3), "{finished:#?}");
        assert!(sandbox.path("run/sinks.json").exists());
        Self { sandbox, finished }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.sandbox.path("sink")).unwrap();
    }

    /// Recovers the run, whose outcome stays the one that it had.
    #[track_caller]
    fn recover(&self, code: i32) -> Outcome {
        self.recover_in("run", code)
    }

    #[track_caller]
    fn recover_in(&self, name: &str, code: i32) -> Outcome {
        let recovered = self.sandbox.run(&format!("recover {name} --json"));
        assert_eq!(recovered.code, Some(code), "{recovered:#?}");
        let outcome: Outcome = serde_json::from_str(&recovered.stdout).unwrap();
        let before = self.finished.printed_outcome();
        assert_eq!(outcome.ending, before.ending);
        let failure = outcome.ending.failure().unwrap();
        assert_eq!(failure.kind, FailureKind::OutputsIncomplete);
        let records = journal(&self.sandbox.path(name));
        let outcomes = records.iter().filter_map(|record| record.get("outcome"));
        let outcomes: Vec<Outcome> =
            outcomes.map(|outcome| serde_json::from_value(outcome.clone()).unwrap()).collect();
        assert_eq!(outcomes, [before]);
        outcome
    }
}

#[test]
fn delivered_later() {
    let run = Undelivered::new();
    run.finished.outcome();
    // While the sink is away, nothing changes.
    for _ in 0..2 {
        assert_eq!(run.recover(3).sinks[0].delivered, 0);
        assert!(run.sandbox.path("run/sinks.json").exists());
    }
    run.make_room();
    let outcome = run.recover(0);
    assert_eq!((outcome.sinks[0].delivered, outcome.sinks[0].failed), (3, 0));
    let model = std::fs::read_to_string(run.sandbox.path("sink/outputs/model.bin")).unwrap();
    assert_eq!(model, "the model");
    assert!(!run.sandbox.path("run/sinks.json").exists());
    // The manifest has the state of each file.
    let manifest = std::fs::read(run.sandbox.path("run/manifest.json")).unwrap();
    let manifest: chutes::manifest::Manifest = serde_json::from_slice(&manifest).unwrap();
    assert_eq!((manifest.undelivered(), manifest.files), (0, outcome.outputs.clone()));
    // From now on nothing changes.
    let before = run_json(&run.sandbox.path("run"));
    assert_eq!(run.recover(0), outcome);
    assert_eq!(run_json(&run.sandbox.path("run")), before);
}

/// Delivering later is interrupted at each of its records.
#[test]
fn killed_while_delivering_later() {
    let run = Undelivered::new();
    run.make_room();
    let length = records(&run.sandbox.path("run")).len();
    for record in length + 1.. {
        let name = format!("copy-{record}");
        let root = run.sandbox.path(&name);
        copy(&run.sandbox.path("run"), &root);
        let mut command = with_fault(&run.sandbox, &["recover", &name], STOP, record);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        if status.signal().is_none() {
            assert!(status.code() == Some(0) && record > length + 5, "{status}");
            return;
        }
        assert_eq!(records(&root).len(), record);
        let outcome = run.recover_in(&name, 0);
        assert_eq!((outcome.sinks[0].delivered, outcome.sinks[0].failed), (3, 0));
        assert_eq!(count(&records(&root), "delivered"), 3, "{:?}", records(&root));
        assert!(!root.join("sinks.json").exists());
    }
}

/// An old run that cannot be delivered does not affect a new one.
#[test]
fn a_sink_that_nobody_knows() {
    let run = Undelivered::new();
    let sinks = run.sandbox.path("run/sinks.json");
    std::fs::write(&sinks, "[{\"url\": 7}]").unwrap();
    let before = run_json(&run.sandbox.path("run"));
    let recovered = run.sandbox.run("recover run");
    assert_eq!(recovered.code, Some(4), "{recovered:#?}");
    assert!(recovered.errors()[0].contains("cannot deliver the files"), "{recovered:#?}");
    assert_eq!(run_json(&run.sandbox.path("run")), before);
    std::fs::remove_file(sinks).unwrap();
    assert_eq!(run.recover(0).sinks[0].delivered, 0);
}
