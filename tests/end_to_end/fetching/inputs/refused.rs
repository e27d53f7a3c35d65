//! Inputs that cannot be fetched: the container never starts, and the message says what to correct.

use chutes::outcome::FailureKind;
use chutes_test_support::finish;
use chutes_test_support::servers::inputs::{InputServer, Served};
use serde_json::{Value, json};

use crate::stage::{Stage, inline, shell, with, zip};

/// Runs a spec with these volumes, which fails before its container begins. The failure says these.
#[track_caller]
fn check(volumes: Value, said: &[&str]) {
    check_with(volumes, &[], said);
}

/// The same, with a shorter time limit than that of a run of a day.
#[track_caller]
fn check_impatiently(volumes: Value, said: &[&str]) {
    check_with(volumes, &[("CHUTES_TEST_DOWNLOAD_RETRIES", "4")], said);
}

#[expect(clippy::needless_pass_by_value, reason = "it is made where this is called")]
#[track_caller]
fn check_with(volumes: Value, environment: &[(&str, &str)], said: &[&str]) {
    let stage = Stage::new();
    let script = "echo begun; touch /output/begun";
    let mut command = stage.command(&with(shell(script), json!({"input_volumes": volumes})));
    command.envs(environment.iter().copied());
    let ended = stage.ended(finish(command));
    let message = ended.check(1, "failed", FailureKind::DownloadFailed, said);
    assert!(!message.contains("s3cret"), "a secret is shown: {message}");
    assert!(!stage.path("outputs/begun").exists());
    assert_eq!(ended.elapsed("execute"), None);
    assert!(!ended.statuses().contains(&"volumes_ready".to_owned()), "{ended:#?}");
}

#[test]
fn base64_that_is_none() {
    check(json!({"/volume/x": {"type": "inline", "contents": "!!"}}), &["/volume/x", "base64"]);
}

/// The example in the README of ComputeHorde is text in base64, and no zip file.
#[test]
fn inline_text_that_is_no_zip() {
    let volume = json!({"type": "inline", "contents": "aGVsbG8gd29ybGQ="});
    check(json!({"/volume": volume}), &["/volume", "zip"]);
}

#[test]
fn zip_that_is_none() {
    let server = InputServer::start([("/zip", Served::new(*b"PK\x03\x04 and nothing more"))]);
    let volume = json!({"type": "zip_url", "url": server.url("/zip?token=s3cret")});
    check(json!({"/volume/x": volume}), &["/volume/x", "zip", &server.url("/zip")]);
}

#[test]
fn zip_that_is_torn() {
    let whole = zip(&[("a", &[7; 10_000]), ("b", b"2")]);
    let server = InputServer::start([("/zip", Served::new(&whole[..whole.len() - 30]))]);
    let volume = json!({"type": "zip_url", "url": server.url("/zip")});
    check(json!({"/volume": volume}), &["/volume", "zip"]);
}

/// Asking again would give the same answer.
#[test]
fn refusals_say_url_status_and_place() {
    for (status, words) in [(404, "404"), (403, "403"), (410, "410")] {
        let server = InputServer::start([("/file", Served::refused(status))]);
        let url = server.url("/file");
        let volume = json!({"type": "http", "url": format!("{url}?token=s3cret")});
        check(json!({"/volume/a/b": volume}), &[&url, words, "/volume/a/b"]);
        assert_eq!(server.count("/file"), 1, "{status}");
    }
}

#[test]
fn servers_that_never_recover() {
    let server = InputServer::start([("/file", Served::refused(500))]);
    let volume = json!({"type": "http", "url": server.url("/file")});
    check_impatiently(json!({"/volume/a": volume}), &["500", "/volume/a", "after 5 attempts"]);
    assert_eq!(server.count("/file"), 5);
}

#[test]
fn servers_that_are_not_there() {
    let url = InputServer::start([]).url("/file");
    let volumes = json!({"/volume/a": {"type": "http", "url": &url}});
    check_impatiently(volumes, &[&url, "/volume/a", "after 5 attempts"]);
}

#[test]
fn redirects_without_end() {
    let server = InputServer::start([("/a", Served::redirecting("/a"))]);
    check(json!({"/volume/a": {"type": "http", "url": server.url("/a")}}), &["redirect"]);
    assert!(server.count("/a") <= 50, "{} requests", server.count("/a"));
}

/// One that fails ends the run, whatever the state of the others.
#[test]
fn one_of_several() {
    let server = InputServer::start([("/good", Served::new(*b"1"))]);
    let volume = |path: &str| json!({"type": "http", "url": server.url(path)});
    let volumes = json!({
        "/volume/good": volume("/good"),
        "/volume/bad": volume("/bad"),
        "/volume/inline": inline(&[("a", b"1")]),
    });
    check(volumes, &["404", "/volume/bad", &server.url("/bad")]);
}

/// A spec may not name some addresses, above all those at which clouds hand out credentials.
#[test]
fn addresses_that_are_not_allowed() {
    let server = InputServer::start([("/file", Served::new(*b"1"))]);
    // Linux takes `0.0.0.0` for this machine, so the request would reach the server.
    let own = server.url("/file").replace("127.0.0.1", "0.0.0.0");
    let other = InputServer::start([("/away", Served::redirecting(&own))]);
    let away = other.url("/away");
    let mapped = "http://[::ffff:169.254.169.254]/latest/meta-data/".to_owned();
    let metadata = "http://169.254.169.254/latest/meta-data/".to_owned();
    for url in [own, away, mapped, metadata] {
        check(json!({"/volume/a": {"type": "http", "url": url}}), &["refused", "/volume/a"]);
        assert_eq!(server.requests().len(), 0, "{url}");
    }
}

#[test]
fn addresses_that_are_allowed() {
    let server = InputServer::start([("/file", Served::new(*b"1"))]);
    let url = server.url("/file").replace("127.0.0.1", "0.0.0.0");
    let stage = Stage::new();
    let volumes = json!({"/volume/a": {"type": "http", "url": url}});
    let mut command = stage.command(&with(shell("true"), json!({"input_volumes": volumes})));
    command.args(["--allow-address", "0.0.0.0/8"]);
    let ended = stage.ended(finish(command));
    assert_eq!(ended.finished.code, Some(0), "{ended:#?}");
    assert_eq!(stage.text("inputs/a"), "1");
}
