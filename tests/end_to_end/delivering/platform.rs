//! The Chutes platform: one POST, the files, one PUT.

use chutes::outcome::FailureKind;
use chutes_test_support::servers::platform::{FILE_TOKEN, JOB_TOKEN, Job, Platform};
use chutes_test_support::{Finished, Sandbox, finish, start, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{command, complete, files, hidden, incomplete, output, recover};
use crate::programs::new_sandbox;

const LOG: &str = "a line for the log\nready\n";

/// Runs `delivers` with the status URL in the environment, where other users cannot read it.
#[track_caller]
fn run(platform: &Platform, sandbox: &Sandbox, data: &Value, more: &[&str]) -> Finished {
    let mut command = command(sandbox, "delivers", data, more);
    command.env("CHUTES_STATUS_URL", platform.status_url());
    finish(command)
}

/// Checks the order of the reports to the platform, and that it has all files.
#[track_caller]
fn check(platform: &Platform, sandbox: &Sandbox, status: &str) -> Job {
    let job = platform.job();
    assert_eq!(job.calls.first().unwrap(), "reported");
    assert_eq!(job.calls.last().unwrap(), "done");
    let uploads = job.calls.iter().filter(|call| *call == "upload").count();
    assert_eq!((uploads, job.calls.len()), (job.names.len(), job.names.len() + 2));
    assert_eq!((job.status.as_str(), job.is_finished), (status, true), "{job:#?}");
    assert_eq!(job.files["_chute.log"], LOG.as_bytes());
    let logs = ["_chute.log", "_chute.stderr.log"];
    for (name, content) in job.files.iter().filter(|(name, _)| !logs.contains(&name.as_str())) {
        assert!(*content == output(sandbox, name), "{name}");
    }
    assert!(job.most_at_a_time <= 8, "{job:#?}");
    job
}

#[test]
fn job_completes() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let mut data = files(&[("a/b.bin", 3_000_000), ("empty", 0), (".hidden", 3)]);
    data["result"] = json!({"loss": 0.5});
    let finished = run(&platform, &sandbox, &data, &[]);
    complete(&finished);
    let job = check(&platform, &sandbox, "complete");
    let names = [".hidden", "a/b.bin", "empty", "_chute.stderr.log", "_chute.log"];
    assert_eq!(job.names, names);
    assert_eq!((job.result, job.detail), (json!({"loss": 0.5}), None));
    hidden(&sandbox, &finished, &[JOB_TOKEN, FILE_TOKEN]);
}

/// The platform stores objects only, and answers 500 to anything else.
#[test]
fn results_of_all_kinds() {
    for (result, expected) in [
        (json!(null), json!(null)),
        (json!({}), json!({})),
        (json!([1, 2]), json!({"result": [1, 2]})),
        (json!("text"), json!({"result": "text"})),
        (json!(false), json!({"result": false})),
    ] {
        let (platform, sandbox) = (Platform::start(), new_sandbox());
        complete(&run(&platform, &sandbox, &json!({"result": result}), &[]));
        assert_eq!(check(&platform, &sandbox, "complete").result, expected);
    }
}

#[test]
fn job_fails() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let mut data = files(&[("partial.bin", 1_000)]);
    data["then"] = "fail".into();
    let finished = run(&platform, &sandbox, &data, &[]);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let job = check(&platform, &sandbox, "error");
    assert_eq!(job.detail.as_deref(), Some("the work went wrong"));
    assert_eq!(job.names[0], "partial.bin");
}

#[test]
fn job_is_cancelled() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let mut data = files(&[("partial.bin", 1_000)]);
    data["then"] = "wait".into();
    let mut command = command(&sandbox, "delivers", &data, &[]);
    command.env("CHUTES_STATUS_URL", platform.status_url());
    let mut running = start(command);
    running.wait_for("ready");
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    let job = check(&platform, &sandbox, "cancelled");
    assert_eq!(job.names[0], "partial.bin");
    assert!(job.detail.is_some());
}

#[test]
fn job_runs_out_of_time() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let mut data = files(&[("partial.bin", 1_000)]);
    data["then"] = "wait".into();
    let finished = run(&platform, &sandbox, &data, &["--time-limit", "1s"]);
    assert_eq!(finished.code, Some(124), "{finished:#?}");
    let job = check(&platform, &sandbox, "error");
    assert_eq!(job.names[0], "partial.bin");
    let detail = "the execute phase reached its limit of 1s";
    assert_eq!(job.detail.as_deref(), Some(detail));
}

/// A job with a lost output is not reported as completed.
#[test]
fn output_that_cannot_be_read() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    // Root may read everything as long as it has its capabilities.
    let wrapper: &[_] = if rustix::process::geteuid().is_root() {
        &["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    } else {
        &[]
    };
    let arguments = ["run", "writes_a_secret", "--run-dir", "run", "--json"];
    let mut command = sandbox.wrapped(wrapper, &arguments);
    command.env("CHUTES_STATUS_URL", platform.status_url());
    let outcome = incomplete(&finish(command));
    assert!(outcome.sinks[0].is_complete(), "{outcome:#?}");
    let job = platform.job();
    assert_eq!((job.status.as_str(), job.is_finished), ("error", true), "{job:#?}");
    let detail = "the job finished, but 1 output file was not collected";
    assert_eq!(job.detail.as_deref(), Some(detail));
    assert_eq!(job.files["good.txt"], b"good");
}

/// Data that does not fit the job is reported like any other ending.
#[test]
fn job_is_rejected() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let finished = run(&platform, &sandbox, &json!({"then": "sleep"}), &[]);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    let job = platform.job();
    assert_eq!((job.status.as_str(), job.is_finished), ("error", true), "{job:#?}");
    assert!(job.detail.unwrap().contains("sleep"));
}

/// A log is renamed when an output has its name.
#[test]
fn output_with_the_name_of_the_log() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let data = files(&[("_chute.log", 500), ("_chute.stderr.log", 600)]);
    complete(&run(&platform, &sandbox, &data, &[]));
    let job = platform.job();
    for name in ["_chute.log", "_chute.stderr.log"] {
        assert!(job.files[name] == output(&sandbox, name), "{name}");
    }
    assert_eq!(job.files["_chute-1.log"], LOG.as_bytes());
    assert!(job.files.contains_key("_chute.stderr-1.log"), "{:?}", job.names);
}

/// Exactly eight files at a time.
#[test]
fn many_files() {
    let (platform, sandbox) = (Platform::holding(8), new_sandbox());
    let names: Vec<String> = (0..30).map(|number| format!("{number}.bin")).collect();
    let sizes: Vec<_> = names.iter().map(|name| (name.as_str(), 1_000)).collect();
    complete(&run(&platform, &sandbox, &files(&sizes), &[]));
    let job = check(&platform, &sandbox, "complete");
    assert_eq!((job.most_at_a_time, job.names.len()), (8, 32));
}

#[test]
fn odd_names() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let mut command = command(&sandbox, "writes_odd_names", &json!({}), &[]);
    command.env("CHUTES_STATUS_URL", platform.status_url());
    complete(&finish(command));
    let job = platform.job();
    assert_eq!(job.status, "complete");
    for name in ["with space", "two\nlines", "quote\"d", "a+b&c=d?e#f", "100%", ".hidden/..x"] {
        assert_eq!(job.files[name], name.as_bytes());
    }
    assert_eq!(job.files["not %FF text"], b"not \xff text");
}

/// What the platform has accepted stays accepted when its answer is lost.
#[test]
fn answers_that_get_lost() {
    for call in ["upload", "done"] {
        let (platform, sandbox) = (Platform::start(), new_sandbox());
        platform.lose_answer_to(call);
        complete(&run(&platform, &sandbox, &files(&[("a.bin", 1_000)]), &[]));
        let job = platform.job();
        assert_eq!((job.status.as_str(), job.is_finished), ("complete", true), "{call}: {job:#?}");
        assert_eq!(job.files["a.bin"], output(&sandbox, "a.bin"));
    }
}

#[test]
fn wrong_token() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let url = platform.status_url().replace("job-token", "other-token");
    std::fs::write(sandbox.path("status"), format!("# the platform\n{url}\n")).unwrap();
    let data = files(&[("a.bin", 1_000)]);
    let finished = finish(command(&sandbox, "delivers", &data, &["--status-url", "@status"]));
    let outcome = incomplete(&finished);
    let error = outcome.sinks[0].error.as_deref().unwrap();
    assert!(error.contains("401 Unauthorized") && error.contains("Invalid token"), "{error}");
    assert_eq!(outcome.sinks[0].failed, 3);
    assert_eq!(platform.server.requests().len(), 1, "it was tried again");
    hidden(&sandbox, &finished, &["other-token"]);
}

/// The run ends while the platform is away, and `recover` reports to it later.
#[test]
fn platform_is_away() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let url = platform.status_url().replace("/jobs/7?", "/away?");
    let mut command = command(&sandbox, "delivers", &files(&[("a.bin", 1_000)]), &[]);
    command.env("CHUTES_STATUS_URL", url);
    let finished = finish(command);
    let outcome = incomplete(&finished);
    hidden(&sandbox, &finished, &[JOB_TOKEN]);
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::OutputsIncomplete);
    // The address is corrected by hand.
    let sinks = json!([{"status_url": platform.status_url()}]);
    std::fs::write(sandbox.path("run/sinks.json"), sinks.to_string()).unwrap();
    assert!(recover(&sandbox, &[]).sinks[0].is_complete());
    check(&platform, &sandbox, "complete");
    recover(&sandbox, &[]);
    check(&platform, &sandbox, "complete");
}

/// Neither the job nor a list of processes shows the address.
#[test]
fn the_job_does_not_see_the_address() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let mut command = command(&sandbox, "looks_around", &json!({}), &["--output", "backup"]);
    command.env("CHUTES_STATUS_URL", platform.status_url());
    let finished = finish(command);
    let outcome = complete(&finished);
    let seen = outcome.result.unwrap().as_str().to_owned();
    // The job sees its own environment and the process that runs it.
    assert!(seen.contains("PATH") && seen.contains("CHUTES_RUN_ID"), "{seen}");
    assert!(seen.contains("looks_around"), "{seen}");
    assert!(!seen.contains(JOB_TOKEN) && !seen.contains("CHUTES_STATUS_URL"), "{seen}");
    hidden(&sandbox, &finished, &[JOB_TOKEN, FILE_TOKEN]);
}

/// While the job goes on, only the owner can read where its files will go.
#[test]
fn addresses_are_kept_private() {
    use std::os::unix::fs::PermissionsExt;

    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let mut command = command(&sandbox, "delivers", &json!({"then": "wait"}), &[]);
    command.env("CHUTES_STATUS_URL", platform.status_url());
    let mut running = start(command);
    running.wait_for("ready");
    let path = sandbox.path("run/sinks.json");
    assert!(std::fs::read_to_string(&path).unwrap().contains(JOB_TOKEN));
    for path in [path.clone(), sandbox.path("run")] {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{path:?}");
    }
    running.signal(Signal::INT);
    assert_eq!(running.finish().code, Some(130));
    wait_until("the addresses are gone", || !path.exists());
}
