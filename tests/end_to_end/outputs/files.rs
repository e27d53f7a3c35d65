//! Which files are collected and which are not, whatever a job leaves in its output directory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chutes::manifest::FileState;
use chutes::outcome::FailureKind;
use chutes_test_support::finish;
use chutes_test_support::machine::peak_memory;
use chutes_test_support::record::{collected, not_collected};

use crate::programs::new_sandbox;

const LINK: &str = "a symbolic link is never followed";

#[test]
fn files_of_all_kinds() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run writes_everything --json");
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0));
    assert_eq!(collected(&outcome), [".hidden", "a/b/.c/deep.bin", "plain.txt", "two\nlines"]);
    let expected = [
        ("a/link-inside", LINK),
        ("link-to-file", LINK),
        ("link-to-folder", LINK),
        ("pipe", "not a regular file but a named pipe"),
        ("socket", "not a regular file but a socket"),
    ];
    assert_eq!(not_collected(&outcome), expected);
}

/// The target of a link is in no file that the run writes.
#[test]
fn links_are_not_followed() {
    let secret = std::fs::read_to_string("/etc/hostname").unwrap();
    let secret = secret.trim();
    assert_ne!(secret, "");
    let sandbox = new_sandbox();
    let finished = sandbox.run("run writes_everything --json --run-dir run");
    assert_eq!(finished.code, Some(0));
    let digest = <sha2::Sha256 as sha2::Digest>::digest(std::fs::read("/etc/hostname").unwrap());
    let digest = chutes::manifest::Sha256Digest::from_bytes(digest.into()).to_string();
    let written = [finished.stdout, finished.stderr, everything_below(&sandbox.path("run"))];
    for text in written {
        assert!(!text.contains(secret) && !text.contains(&digest), "{text}");
    }
}

/// The content of all regular files below a folder.
fn everything_below(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            text += &everything_below(&entry.path());
        } else if kind.is_file() {
            text += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
        }
    }
    text
}

/// The output directory itself is no exception.
#[test]
fn output_directory_that_is_a_link() {
    let sandbox = new_sandbox();
    std::fs::create_dir(sandbox.path("elsewhere")).unwrap();
    std::fs::write(sandbox.path("elsewhere/secret.txt"), "secret").unwrap();
    let data = format!("{:?}", sandbox.path("elsewhere"));
    let finished = sandbox.run(&format!("run replaces_its_outputs --data {data} --json"));
    let outcome = finished.outcome();
    assert_eq!(collected(&outcome), [""; 0], "{finished:#?}");
    assert_eq!(finished.code, Some(3), "{finished:#?}");
}

#[test]
fn name_that_is_not_text() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run writes_a_strange_name --json");
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let names: Vec<_> = outcome.outputs.iter().map(|file| file.path.as_bytes()).collect();
    assert_eq!(names, [&b"b\xffd"[..], b"good.txt"]);
    assert_eq!(not_collected(&outcome), []);
}

/// Root may read everything as long as it has its capabilities, so they are taken away.
#[test]
fn files_that_cannot_be_read() {
    let sandbox = new_sandbox();
    let wrapper: &[_] = if rustix::process::geteuid().is_root() {
        &["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    } else {
        &[]
    };
    let arguments = ["run", "writes_what_cannot_be_read", "--run-dir", "run", "--json"];
    let finished = finish(sandbox.wrapped(wrapper, &arguments));
    // The folder can be removed again.
    let mode = std::fs::Permissions::from_mode(0o700);
    std::fs::set_permissions(sandbox.path("run/outputs/closed"), mode).unwrap();
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::OutputsIncomplete);
    assert_eq!(collected(&outcome), ["good.txt"]);
    let expected = [
        ("closed", "cannot be listed: Permission denied (os error 13)"),
        ("secret.txt", "cannot be read: Permission denied (os error 13)"),
    ];
    assert_eq!(not_collected(&outcome), expected);
    let error = "error: job `writes_what_cannot_be_read` failed: the job finished, but 2 output files were not collected";
    assert_eq!(finished.errors(), [error]);
}

/// Processes that still write are ended before outputs are collected.
#[test]
fn file_that_is_still_written() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run keeps_writing --json");
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(collected(&outcome), ["good.txt", "growing.log"]);
    assert_eq!(outcome.warnings, ["the job left a process that had to be ended: yes"]);
}

/// A file that another process extends faster than it can be read does not prevent the end of the run.
#[test]
fn file_that_grows_without_end() {
    let sandbox = new_sandbox();
    let mut running = sandbox.start("run waits_for_a_file --run-dir run --json");
    running.wait_for("ready");
    let file = std::fs::File::create(sandbox.path("run/outputs/growing.bin")).unwrap();
    let mut length = 4 * 1024 * 1024;
    file.set_len(length).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let growing = std::thread::spawn(move || {
        while !stopped.load(Ordering::Relaxed) {
            length += 1024 * 1024;
            file.set_len(length).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    let finished = running.finish();
    stop.store(true, Ordering::Relaxed);
    growing.join().unwrap();
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::OutputsIncomplete);
    let expected = [("growing.bin", "it was changed while it was read")];
    assert_eq!(not_collected(&outcome), expected);
}

#[test]
fn many_files() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run writes_many_files --data 10000 --json");
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0));
    assert_eq!(collected(&outcome).len(), 10_000);
    assert!(outcome.outputs.is_sorted_by(|a, b| a.path < b.path));
}

/// The memory of the supervisor does not depend on the size of a file.
#[test]
fn huge_file() {
    // As much as is read in a few seconds without optimisation.
    const BYTES: u64 = 128 * 1024 * 1024;
    // In kilobytes.
    const MOST_MEMORY: u64 = 64 * 1024;

    let sandbox = new_sandbox();
    let running = sandbox.start(&format!("run writes_a_huge_file --data {BYTES} --json"));
    let mut peak = 0;
    let finished = running.finish_watched(Duration::from_millis(5), |pid| {
        peak = peak_memory(pid).unwrap_or(0).max(peak);
    });
    let outcome = finished.outcome();
    assert_eq!(finished.code, Some(0));
    assert_eq!(collected(&outcome), ["good.txt", "huge.bin"]);
    assert_eq!(size_of(&outcome.outputs[1].state), Some(BYTES));
    assert!((1..MOST_MEMORY).contains(&peak), "{peak} kB");
}

fn size_of(state: &FileState) -> Option<u64> {
    match state {
        FileState::Collected { bytes, .. } => Some(*bytes),
        _ => None,
    }
}
