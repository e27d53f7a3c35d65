//! Many files and large files: in bounded time and memory.

use std::time::Duration;

use chutes::manifest::FileState;
use chutes_test_support::servers::s3::{BUCKET, S3Server};
use chutes_test_support::{Finished, Sandbox, start};
use serde_json::{Value, json};

use super::{command, complete, files};
use crate::programs::new_sandbox;

/// Runs a job and returns the largest size that the supervisor had, in kilobytes.
#[track_caller]
fn measured(
    sandbox: &Sandbox,
    (job, data): (&str, &Value),
    more: &[&str],
    server: Option<&S3Server>,
) -> (Finished, u64) {
    let mut command = command(sandbox, job, data, more);
    command.envs(server.into_iter().flat_map(S3Server::environment));
    let mut peak = 0;
    let finished = start(command).finish_watched(Duration::from_millis(5), |pid| {
        let path = format!("/proc/{}/status", pid.as_raw_nonzero());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = kilobytes.unwrap_or(0).max(peak);
    });
    assert!(peak > 0, "{finished:#?}");
    (finished, peak)
}

/// The number of small files. These are the slowest tests of delivery.
const COUNT: usize = 10_000;

/// The time limit for collecting and delivering them, in an unoptimised build.
const LONGEST: Duration = Duration::from_mins(1);

/// Delivers many files, and returns their paths with what is in them.
#[track_caller]
fn deliver_many(
    sandbox: &Sandbox,
    to: &str,
    server: Option<&S3Server>,
) -> impl Iterator<Item = (String, Vec<u8>)> {
    let work = ("writes_many_files", &json!(COUNT));
    let (finished, peak) = measured(sandbox, work, &["--output", to], server);
    let outcome = complete(&finished);
    assert_eq!(outcome.outputs.len(), COUNT);
    assert_eq!(outcome.sinks[0].delivered, COUNT as u64 + 2);
    let upload = outcome.phases.last().unwrap();
    assert!(upload.elapsed < LONGEST, "{upload:?}");
    assert!(peak < 100 * 1024, "{peak} kB");
    (0..COUNT).map(|number| {
        let path = format!("outputs/{}/{number}.txt", number % 100);
        (path, number.to_string().into_bytes())
    })
}

#[test]
fn ten_thousand_files_to_a_directory() {
    let sandbox = new_sandbox();
    for (path, content) in deliver_many(&sandbox, "backup", None) {
        assert_eq!(std::fs::read(sandbox.path("backup").join(path)).unwrap(), content);
    }
    assert!(sandbox.path("backup/manifest.json").exists());
}

#[test]
fn ten_thousand_files_to_s3() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let expected = deliver_many(&sandbox, "s3://results", Some(&server));
    let stored = server.files(BUCKET);
    for (path, content) in expected {
        assert_eq!(stored[&path], content);
    }
    assert_eq!(stored.len(), COUNT + 3);
    assert!(server.arrivals().values().all(|count| *count == 1));
}

/// The memory that is needed to collect a file does not depend on its size.
#[test]
fn five_gigabytes() {
    const BYTES: u64 = 5_000_000_000;
    let sandbox = new_sandbox();
    let (finished, peak) = measured(&sandbox, ("writes_a_huge_file", &json!(BYTES)), &[], None);
    let outcome = complete(&finished);
    let huge = outcome.outputs.iter().find(|file| file.path == *"huge.bin").unwrap();
    assert!(matches!(huge.state, FileState::Collected { bytes: BYTES, .. }), "{huge:?}");
    assert!(peak < 64 * 1024, "{peak} kB");
}

#[test]
fn three_hundred_megabytes_to_s3() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let work = ("delivers", &files(&[("model.bin", 300_000_000)]));
    let (finished, peak) = measured(&sandbox, work, &["--output", "s3://results"], Some(&server));
    complete(&finished);
    let stored = server.files(BUCKET);
    assert!(stored["outputs/model.bin"] == super::output(&sandbox, "model.bin"));
    assert_eq!(server.arrivals()["outputs/model.bin"], 1);
    assert!(peak < 200 * 1024, "{peak} kB");
}
