//! Paths that lead out of where they belong, in every place where a path can be.

use chutes::outcome::FailureKind;
use chutes_test_support::servers::inputs::{InputServer, Served};
use serde_json::{Value, json};

use crate::stage::{Stage, inline, shell, with, zip};

/// None of these is a path below a directory.
const BAD: [&str; 7] = ["../x", "a/../../x", "a//b", "a/./b", "/etc/x", "a\\b", "a\u{0}b"];

/// Refused before anything is started, with the place in the spec.
#[track_caller]
fn check_refused(more: Value, place: &str) {
    let stage = Stage::new();
    let finished = stage.start(&with(shell("touch /output/begun"), more)).finish();
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    let said = format!("{}{}", finished.stderr, finished.stdout);
    assert!(said.contains(place), "`{place}` is not said: {finished:#?}");
    assert!(!stage.path("outputs/begun").exists());
    assert_eq!(stage.engine.containers(), [""; 0]);
    assert!(!stage.sandbox.path("x").exists() && !stage.path("x").exists());
}

#[test]
fn of_input_volumes() {
    for path in BAD {
        let key = format!("/volume/{path}");
        check_refused(json!({"input_volumes": {&key: inline(&[("a", b"1")])}}), "input_volumes");
    }
    for key in ["/", "", "volume/a", "/volumes/a", "/output/a", "/etc"] {
        check_refused(json!({"input_volumes": {key: inline(&[("a", b"1")])}}), "input_volumes");
    }
}

#[test]
fn of_output_volumes() {
    for path in BAD {
        let key = format!("/output/{path}");
        let volume = json!({"type": "http_put", "url": "https://example.test/"});
        check_refused(json!({"output_volumes": {&key: volume}}), "output_volumes");
    }
}

#[test]
fn of_the_artifacts() {
    for path in [
        "",
        "/",
        "artifacts",
        "/a/../etc",
        "/etc",
        "/proc/self",
        "/volume",
        "/output/a",
        "/run",
        "/run/podman-init",
    ] {
        check_refused(json!({"artifacts_dir": path}), "artifacts_dir");
    }
}

/// Whole specs that are wrong, each with where it is wrong.
#[test]
fn of_the_spec_are_reported() {
    let volume = |volume| json!({"input_volumes": {"/volume/a": volume}});
    for (more, place) in [
        (json!({"image": "--privileged"}), "image"),
        (json!({"image": "PLAIN:1"}), "$.image"),
        (json!({"image": "localhost/plain:1:2"}), "$.image"),
        (json!({"args": ["a", 7]}), "args[1]"),
        (json!({"limits": {"execute": "-2s"}}), "limits.execute"),
        (json!({"limits": {"exceute": "2s"}}), "exceute"),
        (json!({"executor_class": "no.such.class"}), "executor_class"),
        (json!({"resources": {"memory": "lots"}}), "resources.memory"),
        (json!({"env": {"A=B": "1"}}), "env"),
        (
            json!({"ssh": {"public_keys": ["command=\"x\" ssh-ed25519 AAAA"]}}),
            "$.ssh.public_keys[0]",
        ),
        (volume(json!({"type": "http", "url": "file:///etc/passwd"})), "input_volumes"),
        (volume(json!({"type": "http", "url": "no url"})), "input_volumes"),
        (volume(json!({"type": "htpt", "url": "https://x.test/"})), "htpt"),
    ] {
        check_refused(more, place);
    }
}

/// Archives come from elsewhere: they are a failed download, and nothing is written outside.
#[test]
fn of_members_of_archives() {
    for name in ["../evil", "a/../../evil", "/evil", "a/./../../evil", "..\\evil"] {
        let archive = zip(&[("good", b"1"), (name, b"2")]);
        let server = InputServer::start([("/zip", Served::new(archive.clone()))]);
        let volumes = [
            inline(&[("good", b"1"), (name, b"2")]),
            json!({"type": "zip_url", "url": server.url("/zip")}),
        ];
        for volume in volumes {
            let stage = Stage::new();
            let more = json!({"input_volumes": {"/volume/deep": volume}});
            let ended = stage.run(&with(shell("touch /output/begun"), more));
            ended.check(1, "failed", FailureKind::DownloadFailed, &["evil"]);
            assert!(!stage.path("outputs/begun").exists());
            for place in ["evil", "run/evil", "run/inputs/evil"] {
                assert!(!stage.sandbox.path(place).exists(), "{name} was written to {place}");
            }
        }
    }
}

/// A link in an archive, and then a file behind it.
#[test]
fn of_links_in_archives() {
    use std::io::{Cursor, Write};
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    writer.add_symlink("link", "/tmp", options).unwrap();
    writer.start_file("link/evil-of-chutes", options).unwrap();
    writer.write_all(b"1").unwrap();
    let server = InputServer::start([("/zip", Served::new(writer.finish().unwrap().into_inner()))]);
    let stage = Stage::new();
    let volume = json!({"type": "zip_url", "url": server.url("/zip")});
    let more = json!({"input_volumes": {"/volume": volume}});
    let ended = stage.run(&with(shell("true"), more));
    ended.check(1, "failed", FailureKind::DownloadFailed, &["link"]);
    assert!(!std::path::Path::new("/tmp/evil-of-chutes").exists());
}
