//! `--result`: a plain file is replaced, everything else is written into, and what cannot be written prevents a run.

use std::os::unix::fs::FileTypeExt;
use std::process::Command;

use chutes::outcome::JobResult;
use chutes_test_support::{Sandbox, finish, start};

use crate::programs::new_sandbox;

const RUN: &str = "run echo --set epochs=1 --run-dir run --result";

#[track_caller]
fn parsed(text: &str) -> JobResult {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A run under these words, with a result at this path.
fn under(sandbox: &Sandbox, wrapper: &[&str], path: &str) -> Command {
    let arguments: Vec<_> = RUN.split_whitespace().chain([path]).collect();
    sandbox.wrapped(wrapper, &arguments)
}

#[test]
fn plain_file_is_replaced() {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("file"), "old").unwrap();
    std::os::unix::fs::symlink("file", sandbox.path("link")).unwrap();
    let finished = sandbox.run(&format!("{RUN} link"));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(sandbox.path("link").is_symlink());
    let result = parsed(&std::fs::read_to_string(sandbox.path("file")).unwrap());
    assert!(result.stdout.starts_with("echo on standard output\n"), "{result:?}");
    assert_eq!(sandbox.entries(), ["file", "link", "run"]);
}

/// The file may be in a folder that the run makes.
#[test]
fn in_the_directory_of_the_run() {
    let sandbox = new_sandbox();
    let finished = sandbox.run(&format!("{RUN} run/result.json"));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    parsed(&std::fs::read_to_string(sandbox.path("run/result.json")).unwrap());
}

/// A device is no file that could be replaced: `/dev/null` would be gone for the whole machine.
#[test]
fn device_stays_a_device() {
    let sandbox = new_sandbox();
    let devices = ["null", "full"].map(|name| sandbox.path(name));
    for (device, minor) in devices.iter().zip(["3", "7"]) {
        let made = Command::new("mknod").arg(device).args(["c", "1", minor]).status().unwrap();
        if !made.success() {
            // Only root can make one. The unit tests use that of the system.
            assert!(!rustix::process::geteuid().is_root());
            return;
        }
    }
    let codes = ["null", "full"].map(|name| {
        let finished = sandbox.run(&format!("run echo --set epochs=1 --result {name}"));
        let is_device = sandbox.path(name).symlink_metadata().unwrap().file_type();
        assert!(is_device.is_char_device(), "{finished:#?}");
        finished.code
    });
    assert_eq!(codes, [Some(0), Some(4)]);
}

#[test]
fn standard_streams() {
    for (path, stream) in [("/dev/stdout", 1), ("/dev/fd/2", 2), ("/proc/self/fd/1", 1)] {
        let sandbox = new_sandbox();
        let script = format!("exec \"$@\" {stream}>>all");
        std::fs::write(sandbox.path("all"), "before\n").unwrap();
        let finished = finish(under(&sandbox, &["sh", "-c", &script, "sh"], path));
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        let text = std::fs::read_to_string(sandbox.path("all")).unwrap();
        assert!(text.starts_with("before\n"), "{path}: {text}");
        parsed(text.lines().last().unwrap());
    }
}

/// `--result >(cat)` of a shell.
#[test]
fn process_substitution() {
    let sandbox = new_sandbox();
    let script = "\"$@\" >(cat >copy) && wait $!";
    let finished = finish(
        sandbox
            .wrapped(&["bash", "-c", script, "bash"], &RUN.split_whitespace().collect::<Vec<_>>()),
    );
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    parsed(&std::fs::read_to_string(sandbox.path("copy")).unwrap());
}

#[test]
fn named_pipe() {
    let sandbox = new_sandbox();
    let pipe = sandbox.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let running = start(under(&sandbox, &[], "pipe"));
    parsed(&std::fs::read_to_string(&pipe).unwrap());
    assert_eq!(running.finish().code, Some(0));
    assert!(pipe.symlink_metadata().unwrap().file_type().is_fifo());
    // Without a reader it is given up.
    let finished = sandbox.run("run echo --set epochs=1 --run-dir again --result pipe");
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    let error = "error: cannot write the result to `pipe`: the pipe has no reader";
    assert_eq!(finished.errors(), [error]);
}

/// The mistake is found before anything is made.
#[test]
fn places_that_cannot_be_written() {
    for (path, why) in [
        ("missing/result", "No such file or directory (os error 2)"),
        ("folder", "Is a directory (os error 21)"),
        ("file/result", "Not a directory (os error 20)"),
        ("/dev/fd/77", "No such file or directory (os error 2)"),
    ] {
        let sandbox = new_sandbox();
        std::fs::create_dir(sandbox.path("folder")).unwrap();
        std::fs::write(sandbox.path("file"), "").unwrap();
        let finished = sandbox.run(&format!("{RUN} {path} --output backup"));
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        let error = format!("error: cannot write the result to `{path}`: {why}");
        assert_eq!(finished.errors(), [error]);
        assert_eq!(sandbox.entries(), ["file", "folder"]);
    }
}
