//! Destinations of files: usable and unusable directories, and how addresses are
//! written.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use chutes::outcome::FailureKind;
use chutes_test_support::machine::{names_in, unshare};
use chutes_test_support::{Finished, Sandbox, finish};
use serde_json::json;

use super::{addresses, command, complete, files, output, reason, recovered, run};
use crate::programs::new_sandbox;

/// Runs `delivers` with a file system at `target` that was mounted with these options and is gone
/// together with the process. The shell then runs `then`.
#[track_caller]
fn run_mounted(sandbox: &Sandbox, options: &str, data: &serde_json::Value, then: &str) -> Finished {
    std::fs::create_dir(sandbox.path("target")).unwrap();
    let script = format!("mount -t tmpfs -o {options} none target || exit 99; {then}");
    let wrapper = [&unshare(&["--mount"])[..], &["sh", "-c", &script, "sh"]].concat();
    let data = data.to_string();
    let arguments = ["run", "delivers", "--data", &data, "--run-dir", "run", "--json"];
    let more = ["--output", "target/run", "--upload-limit", "5s"];
    finish(sandbox.wrapped(&wrapper, &[&arguments[..], &more].concat()))
}

/// Files that did not fit arrive when there is room again.
#[test]
fn full_disk() {
    let sandbox = new_sandbox();
    let data = files(&[("large.bin", 3_000_000), ("small.txt", 10)]);
    let then = "\"$@\" >first; find target >found; mount -o remount,size=50m target || exit 99; \
                \"$1\" recover run --json; code=$?; cp -r target/run copied; exit $code";
    let finished = run_mounted(&sandbox, "size=1m", &data, then);
    let read = |name: &str| std::fs::read_to_string(sandbox.path(name)).unwrap();
    let first = Finished { code: Some(3), stdout: read("first"), stderr: String::new() };
    let outcome = first.printed_outcome();
    assert_eq!(outcome.ending.failure().unwrap().kind, FailureKind::OutputsIncomplete);
    let reason = reason(&outcome, "large.bin");
    assert!(reason.contains("No space left on device"), "{reason}");
    let sink = &outcome.sinks[0];
    assert_eq!((sink.delivered, sink.failed), (3, 1), "{outcome:#?}");
    let found = read("found");
    assert!(found.contains("/small.txt") && !found.contains("/large.bin"), "{found}");
    assert!(!found.contains("/manifest.json") && !found.contains(".part"), "{found}");

    let outcome = recovered(&finished);
    assert!(outcome.sinks[0].is_complete(), "{outcome:#?}");
    for path in ["large.bin", "small.txt"] {
        let content = std::fs::read(sandbox.path("copied/outputs").join(path)).unwrap();
        assert!(content == output(&sandbox, path), "{path}");
    }
    assert_eq!(names_in(&sandbox.path("copied")), ["logs", "manifest.json", "outputs"]);
}

/// A mistake that can be found before the job starts is reported before.
#[test]
fn read_only_place() {
    let sandbox = new_sandbox();
    let finished = run_mounted(&sandbox, "ro", &files(&[("a", 1)]), "exec \"$@\"");
    assert_eq!(finished.stdout, "", "{finished:#?}");
    assert_ne!(finished.code, Some(0), "{finished:#?}");
    let error = finished.errors().join("\n");
    assert!(error.contains("target/run") && error.contains("Read-only file system"), "{error}");
    assert!(!sandbox.path("run").exists(), "something was started");
}

#[test]
fn the_run_itself() {
    for place in ["run", "run/outputs/copy", "run/../run/x", "run/all.zip"] {
        let sandbox = new_sandbox();
        let finished = run(&sandbox, &files(&[("a", 1)]), &["--output", place]);
        assert_ne!(finished.code, Some(0), "{place}: {finished:#?}");
        let error = finished.errors().join("\n");
        assert!(error.contains("in the directory of the run itself"), "{place}: {error}");
        assert!(!sandbox.path("run/run.jsonl").exists(), "{place}: something was started");
    }
}

/// Runs a job with these addresses, of which relative ones are in the working directory.
#[track_caller]
fn check_places(places: &[&str], expected: &[&str]) {
    let sandbox = new_sandbox();
    let base = sandbox.path("").display().to_string();
    let places: Vec<String> = places.iter().map(|place| place.replace("{base}", &base)).collect();
    let arguments: Vec<_> = places.iter().flat_map(|place| ["--output", place]).collect();
    let outcome = complete(&run(&sandbox, &files(&[("a/b", 10)]), &arguments));
    let id = outcome.run_id.to_string();
    for (sink, expected) in outcome.sinks.iter().zip(expected) {
        let expected = sandbox.path(&expected.replace("{id}", &id));
        assert_eq!(Path::new(&sink.sink), expected);
        if expected.is_dir() {
            assert_eq!(names_in(&expected), ["logs", "manifest.json", "outputs"]);
            assert_eq!(
                std::fs::read(expected.join("outputs/a/b")).unwrap(),
                output(&sandbox, "a/b")
            );
        } else {
            let archive = zip::ZipArchive::new(std::fs::File::open(&expected).unwrap()).unwrap();
            assert_eq!(archive.len(), 4);
        }
    }
    assert_eq!(outcome.sinks.len(), expected.len());
}

#[test]
fn directories_in_all_spellings() {
    check_places(&["backup"], &["backup"]);
    check_places(&["./a/b/", "c"], &["a/b", "c"]);
    check_places(&["results/{job}/{run_id}"], &["results/delivers/{id}"]);
    check_places(&["file://{base}with%20space"], &["with space"]);
    check_places(
        &["all.zip", "zip+file:other", "{job}.ZIP"],
        &["all.zip", "other", "delivers.ZIP"],
    );
    check_places(&[r#"{"url":"results/{job}"}"#], &["results/delivers"]);
}

#[test]
fn places_in_a_file() {
    let sandbox = new_sandbox();
    let lines = ["# where it goes", "", "  first  ", r#"{"url": "second"}"#, "a.zip"];
    addresses(&sandbox, &lines.map(str::to_owned));
    let outcome = complete(&run(&sandbox, &files(&[("a", 1)]), &["--output", "@addresses"]));
    let names: Vec<_> =
        ["first", "second", "a.zip"].map(|name| sandbox.path(name).display().to_string()).into();
    assert_eq!(outcome.sinks.iter().map(|sink| sink.sink.clone()).collect::<Vec<_>>(), names);
}

#[test]
fn places_in_the_environment() {
    let sandbox = new_sandbox();
    let mut command = command(&sandbox, "delivers", &json!({}), &[]);
    command.env("CHUTES_OUTPUT", "backup");
    complete(&finish(command));
    assert!(sandbox.path("backup/manifest.json").exists());
}

/// As an argument, in the environment, and in a file of places.
#[test]
fn places_that_are_not_utf8() {
    let sandbox = new_sandbox();
    let folder = |name: &[u8]| sandbox.path("").join(OsStr::from_bytes(name));
    let lines = [b"# where it goes\n".as_slice(), b"lines-\xff\r\n"].concat();
    std::fs::write(folder(b"places-\xff"), lines).unwrap();
    for (name, argument, variable) in [
        (&b"u-\xff"[..], Some(&b"u-\xff"[..]), None),
        (b"v-\xff", None, Some(&b"v-\xff"[..])),
        (b"lines-\xff", Some(b"@places-\xff"), None),
    ] {
        let mut command = command(&sandbox, "delivers", &files(&[("a", 1)]), &[]);
        if let Some(argument) = argument {
            command.arg("--output").arg(OsStr::from_bytes(argument));
        }
        command.envs(variable.map(|place| ("CHUTES_OUTPUT", OsStr::from_bytes(place))));
        complete(&finish(command));
        assert!(folder(name).join("manifest.json").exists(), "{argument:?} {variable:?}");
        std::fs::remove_dir_all(sandbox.path("run")).unwrap();
    }
    let mut command = command(&sandbox, "delivers", &json!({}), &[]);
    command.arg("--output").arg(OsStr::from_bytes(b"s3://bucket/\xff"));
    let finished = finish(command);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.stderr.contains("JSON and URLs are UTF-8"), "{finished:#?}");
}

/// Nothing is started with an address that is certainly a mistake.
#[track_caller]
fn check_mistake(place: &str, expected: &str) {
    let sandbox = new_sandbox();
    let finished = run(&sandbox, &files(&[("a", 1)]), &["--output", place]);
    assert_eq!(finished.code, Some(2), "{place}: {finished:#?}");
    assert!(finished.stderr.contains(expected), "{place}: {}", finished.stderr);
    assert!(!finished.stderr.contains("my-secret"), "{place}: {}", finished.stderr);
    assert_eq!(sandbox.entries(), [""; 0], "{place}: something was started");
}

/// That is how many scripts unset a variable.
#[test]
fn empty_variables_are_not_set() {
    let sandbox = new_sandbox();
    let mut command = sandbox.command(&["run", "echo", "--set", "epochs=1", "--json"]);
    for name in ["CHUTES_OUTPUT", "CHUTES_STATUS_URL", "CHUTES_HOST", "CHUTES_SSH_PUBLIC_KEY"] {
        command.env(name, "");
    }
    let finished = finish(command);
    assert_eq!(finished.outcome().sinks.len(), 0, "{finished:#?}");
}

/// Both would write the same files at the same time.
#[test]
fn the_same_place_twice() {
    let sandbox = new_sandbox();
    let places = ["--output", "a", "--output", "a/"];
    let finished = run(&sandbox, &files(&[("a", 1)]), &places);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.stderr.contains("are the same place: give each place once"), "{finished:#?}");
}

#[test]
fn mistakes() {
    check_mistake("s4://bucket/x", "did you mean `s3://`?");
    check_mistake("s3:/bucket/x", "write `s3://…` for the URL, or `./s3:/bucket/x`");
    check_mistake(r#"{"url":"https:/host/all.zip"}"#, "`https:/host/all.zip` is a directory");
    check_mistake(
        "s3://key:my-secret@bucket/x",
        "credentials and settings come from the environment",
    );
    check_mistake("https://host/x?token=my-secret", "write `FILE=URL` for one output file");
    check_mistake("results/{jop}", "`{jop}` stands for nothing: there are `{run_id}` and `{job}`");
    check_mistake("s3://bucket/all.zip", "write `zip+s3://bucket/all.zip` for a zip of everything");
    check_mistake(r#"{"ulr": "https://host/?my-secret"}"#, "did you mean `url`?");
    check_mistake(r#"{"url": "my-secret"#, "not JSON");
    check_mistake("@missing", "cannot read `missing`");
    check_mistake("", "an empty text is no place");
}

#[test]
fn wrong_status_urls() {
    for url in ["", "ftp://host/?token=my-secret", "host/jobs/1?token=my-secret"] {
        let sandbox = new_sandbox();
        let finished = run(&sandbox, &json!({}), &["--status-url", url]);
        assert_eq!(finished.code, Some(2), "{url}: {finished:#?}");
        assert!(!finished.stderr.contains("my-secret"), "{finished:#?}");
        assert_eq!(sandbox.entries(), [""; 0], "{url}: something was started");
    }
}
