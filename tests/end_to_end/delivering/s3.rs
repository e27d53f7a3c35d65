//! A real S3 server that checks signatures.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use chutes::manifest::Manifest;
use chutes_test_support::servers::s3::{ACCESS_KEY, BUCKET, Presigned, S3Server, SECRET_KEY};
use chutes_test_support::{Finished, Sandbox, finish, start};
use rustix::process::Signal;
use serde_json::json;

use super::{
    addresses, command, complete, files, hidden, incomplete, output, reason, recover, run,
};
use crate::programs::new_sandbox;

/// Runs `delivers` with the credentials of the server.
#[track_caller]
fn run_with(server: &S3Server, sandbox: &Sandbox, data: &serde_json::Value, to: &str) -> Finished {
    let mut command = command(sandbox, "delivers", data, &["--output", to]);
    command.envs(server.environment());
    finish(command)
}

#[test]
fn everything_and_the_manifest_last() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let mib = 1024 * 1024;
    let sizes = [("a/b.txt", 10), ("empty", 0), ("at-once", 40 * mib), ("model.bin", 70 * mib)];
    let to = "s3://results/{job}/{run_id}";
    let finished = run_with(&server, &sandbox, &files(&sizes), to);
    let outcome = complete(&finished);
    let prefix = format!("delivers/{}", outcome.run_id);
    assert_eq!(outcome.sinks[0].sink, format!("s3://results/{prefix}"));
    let mut stored = server.files(BUCKET);
    let manifest = stored.remove(&format!("{prefix}/manifest.json")).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    assert_eq!((manifest.files, manifest.logs), (outcome.outputs, outcome.logs));
    for (path, _) in sizes {
        let content = stored.remove(&format!("{prefix}/outputs/{path}")).unwrap();
        assert!(content == output(&sandbox, path), "{path}");
    }
    for log in ["stdout.log", "stderr.log"] {
        let content = stored.remove(&format!("{prefix}/logs/{log}")).unwrap();
        assert_eq!(content, std::fs::read(sandbox.path("run/logs").join(log)).unwrap());
    }
    assert!(stored.is_empty(), "{:?}", stored.keys());
    let requests = server.requests();
    assert_eq!(requests.last().unwrap().path, format!("/results/{prefix}/manifest.json"));
    let puts = server.puts();
    for (path, expected) in [("at-once", 1), ("model.bin", 5)] {
        assert_eq!(puts[&format!("{prefix}/outputs/{path}")], expected, "{path}");
    }
    assert!(server.arrivals().values().all(|count| *count == 1), "{requests:#?}");
    hidden(&sandbox, &finished, &[ACCESS_KEY, SECRET_KEY]);
}

#[test]
fn odd_names() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let mut command =
        command(&sandbox, "writes_odd_names", &json!({}), &["--output", "s3://results"]);
    command.envs(server.environment());
    complete(&finish(command));
    let stored = server.files(BUCKET);
    let outputs: BTreeMap<_, _> = stored
        .iter()
        .filter_map(|(key, content)| Some((key.strip_prefix("outputs/")?, content.as_slice())))
        .collect();
    let expected = BTreeMap::from([
        ("with space", &b"with space"[..]),
        ("100%25", b"100%"),
        ("%2541", b"%41"),
        ("gr\u{fc}\u{df}e/\u{1f680}", "gr\u{fc}\u{df}e/\u{1f680}".as_bytes()),
        ("two%0Alines", b"two\nlines"),
        ("not %FF text", b"not \xff text"),
        ("a+b&c=d?e#f", b"a+b&c=d?e#f"),
        (".hidden/..x", b".hidden/..x"),
        ("quote\"d", b"quote\"d"),
    ]);
    assert_eq!(outputs, expected);
}

#[test]
fn wrong_secret() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let mut command =
        command(&sandbox, "delivers", &files(&[("a.bin", 9)]), &["--output", "s3://results/x"]);
    let wrong = "wrong-secret-key-of-the-tests-0123456789";
    command.envs(server.environment()).env("AWS_SECRET_ACCESS_KEY", wrong);
    let finished = finish(command);
    let outcome = incomplete(&finished);
    let reason = reason(&outcome, "a.bin");
    assert!(reason.contains("403 Forbidden"), "{reason}");
    assert!(reason.contains("SignatureDoesNotMatch"), "{reason}");
    assert_eq!((outcome.sinks[0].delivered, outcome.sinks[0].failed), (0, 3));
    hidden(&sandbox, &finished, &[wrong, ACCESS_KEY]);
    assert!(server.files(BUCKET).is_empty());

    let outcome = recover(&sandbox, &server.environment());
    assert!(outcome.sinks[0].is_complete(), "{outcome:#?}");
    let stored = server.files(BUCKET);
    assert_eq!(stored["x/outputs/a.bin"], output(&sandbox, "a.bin"));
    assert!(stored.contains_key("x/manifest.json"));
    let requests = server.requests().len();
    recover(&sandbox, &server.environment());
    assert_eq!(server.requests().len(), requests);
}

#[test]
fn no_credentials() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let data = files(&[("a.bin", 9)]);
    let more = ["--output", "s3://results/x", "--upload-limit", "6s"];
    let mut command = command(&sandbox, "delivers", &data, &more);
    command.env("AWS_ENDPOINT_URL", server.url()).env("AWS_ALLOW_HTTP", "true");
    // The address at which machines of a provider get them does not answer either.
    command.env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1");
    let outcome = incomplete(&finish(command));
    let reason = reason(&outcome, "a.bin");
    assert!(reason.contains("127.0.0.1:1") || reason.contains("credential"), "{reason}");
    assert!(server.files(BUCKET).is_empty());
}

#[test]
fn missing_bucket() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let finished = run_with(&server, &sandbox, &files(&[("a.bin", 9)]), "s3://missing/x");
    let outcome = incomplete(&finished);
    let reason = reason(&outcome, "a.bin");
    assert!(reason.contains("404 Not Found") && reason.contains("NoSuchBucket"), "{reason}");
}

#[test]
fn presigned_url() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let url = Presigned::new("signed/model.bin").url(&server);
    addresses(&sandbox, &[format!("m/model.bin={url}")]);
    let data = files(&[("m/model.bin", 5_000_000), ("other", 1)]);
    let finished = run(&sandbox, &data, &["--output", "@addresses"]);
    let outcome = complete(&finished);
    let shown = format!("{}/results/signed/model.bin", server.url());
    assert_eq!(outcome.sinks[0].sink, shown);
    assert_eq!((outcome.sinks[0].delivered, outcome.sinks[0].skipped), (1, 3));
    let stored = server.files(BUCKET);
    assert_eq!(stored.keys().collect::<Vec<_>>(), ["signed/model.bin"]);
    assert!(stored["signed/model.bin"] == output(&sandbox, "m/model.bin"));
    hidden(&sandbox, &finished, &["X-Amz-Signature", ACCESS_KEY]);
}

#[test]
fn expired_presigned_url() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let url = Presigned::expired("model.bin").url(&server);
    addresses(&sandbox, &[format!("model.bin={url}")]);
    let finished = run(&sandbox, &files(&[("model.bin", 1_000)]), &["--output", "@addresses"]);
    let outcome = incomplete(&finished);
    let reason = reason(&outcome, "model.bin");
    assert!(reason.contains("403 Forbidden"), "{reason}");
    assert!(reason.contains("Request has expired"), "{reason}");
    assert_eq!(server.requests().len(), 1, "it was tried again");
    let signature = url.split("X-Amz-Signature=").nth(1).unwrap();
    hidden(&sandbox, &finished, &["X-Amz-Signature", signature, ACCESS_KEY]);
    assert!(server.files(BUCKET).is_empty());
}

#[test]
fn presigned_form() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let fields = Presigned::new("forms/model.bin").fields();
    let signature = fields["x-amz-signature"].as_str().unwrap().to_owned();
    let form = json!({
        "url": format!("{}/{BUCKET}", server.url()),
        "file": "model.bin",
        "method": "POST",
        "fields": fields,
    });
    addresses(&sandbox, &[form.to_string()]);
    let data = files(&[("model.bin", 300_000)]);
    let finished = run(&sandbox, &data, &["--output", "@addresses"]);
    complete(&finished);
    assert!(server.files(BUCKET)["forms/model.bin"] == output(&sandbox, "model.bin"));
    hidden(&sandbox, &finished, &[&signature, "aws4_request"]);
}

/// A form that is changed no longer fits its signature.
#[test]
fn presigned_form_for_another_key() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let mut fields = Presigned::new("forms/model.bin").fields();
    fields["key"] = "forms/other.bin".into();
    let form = json!({"url": format!("{}/{BUCKET}", server.url()), "file": "a", "fields": fields});
    addresses(&sandbox, &[form.to_string()]);
    let finished = run(&sandbox, &files(&[("a", 9)]), &["--output", "@addresses"]);
    let outcome = incomplete(&finished);
    // Amazon answers 403, this server 400.
    assert!(reason(&outcome, "a").contains("InvalidPolicyDocument"), "{outcome:#?}");
    assert_eq!(server.requests().len(), 1, "it was tried again");
    assert!(server.files(BUCKET).is_empty());
}

#[test]
fn zip_of_everything() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let data = files(&[("a/b.bin", 20_000_000), ("c", 3)]);
    let finished = run_with(&server, &sandbox, &data, "zip+s3://results/{job}.zip");
    let outcome = complete(&finished);
    let mut stored = server.files(BUCKET);
    let content = stored.remove("delivers.zip").unwrap();
    assert!(stored.is_empty(), "{:?}", stored.keys());
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(content)).unwrap();
    let mut names: Vec<_> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    names.sort();
    let expected =
        ["logs/stderr.log", "logs/stdout.log", "manifest.json", "outputs/a/b.bin", "outputs/c"];
    assert_eq!(names, expected);
    let mut read = |name: &str| {
        let mut content = Vec::new();
        archive.by_name(name).unwrap().read_to_end(&mut content).unwrap();
        content
    };
    for path in ["a/b.bin", "c"] {
        assert!(read(&format!("outputs/{path}")) == output(&sandbox, path), "{path}");
    }
    let manifest: Manifest = serde_json::from_slice(&read("manifest.json")).unwrap();
    assert_eq!(manifest.files, outcome.outputs);
}

/// An upload that is cut off by the time limit has failed, and is delivered later, once.
#[test]
fn time_is_over() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    server.delay_puts(Duration::from_secs(1));
    let names: Vec<String> = (0..200).map(|number| format!("{number}.bin")).collect();
    let sizes: Vec<_> = names.iter().map(|name| (name.as_str(), 1_000)).collect();
    let more = ["--output", "s3://results", "--upload-limit", "4s"];
    let mut command = command(&sandbox, "delivers", &files(&sizes), &more);
    command.envs(server.environment());
    let outcome = incomplete(&finish(command));
    let sink = &outcome.sinks[0];
    assert!(sink.delivered > 0 && sink.failed > 0, "{sink:?}");
    assert!(!server.files(BUCKET).contains_key("manifest.json"));
    server.delay_puts(Duration::ZERO);
    let outcome = recover(&sandbox, &server.environment());
    assert!(outcome.sinks[0].is_complete(), "{:?}", outcome.sinks);
    let stored = server.files(BUCKET);
    for name in &names {
        assert!(stored[&format!("outputs/{name}")] == output(&sandbox, name), "{name}");
    }
    assert_eq!(stored.len(), names.len() + 3);
    assert!(server.arrivals().values().all(|count| *count == 1), "{:?}", server.arrivals());
}

/// A third signal gives up the delivery, which can be done later.
#[test]
fn delivery_is_given_up() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    server.delay_puts(Duration::from_mins(5));
    let more = ["--output", "s3://results", "--events", "fd:2"];
    let mut command = command(&sandbox, "delivers", &files(&[("a.bin", 1_000)]), &more);
    command.envs(server.environment());
    let mut running = start(command);
    running.wait_for(r#""event":"phase","phase":"upload""#);
    // The third signal counts, and signals that follow too fast count as one.
    let finished = running.finish_watched(Duration::from_millis(100), |pid| {
        rustix::process::kill_process(pid, Signal::INT).unwrap();
    });
    let outcome = incomplete(&finished);
    assert_eq!(reason(&outcome, "a.bin"), "delivery was stopped before this was done");
    server.delay_puts(Duration::ZERO);
    assert!(recover(&sandbox, &server.environment()).sinks[0].is_complete());
    assert_eq!(server.files(BUCKET)["outputs/a.bin"], output(&sandbox, "a.bin"));
}

/// A sink that fails does not affect the others.
#[test]
fn one_of_several_fails() {
    let (server, sandbox) = (S3Server::start(), new_sandbox());
    let url = Presigned::new("one.bin").url(&server);
    addresses(&sandbox, &[format!("one.bin={url}")]);
    let places = ["backup", "s3://missing/x", "s3://results/y", "@addresses"];
    let arguments: Vec<_> = places.iter().flat_map(|place| ["--output", place]).collect();
    let data = files(&[("one.bin", 1_000), ("two.bin", 2_000)]);
    let mut command = command(&sandbox, "delivers", &data, &arguments);
    command.envs(server.environment());
    let outcome = incomplete(&finish(command));
    let counts: Vec<_> = outcome
        .sinks
        .iter()
        .map(|sink| (sink.delivered, sink.failed, sink.skipped, sink.is_complete()))
        .collect();
    let (all, none) = ((4, 0, 0, true), (0, 4, 0, false));
    assert_eq!(counts, [all, none, all, (1, 0, 3, true)], "{outcome:#?}");
    for file in &outcome.outputs {
        let states: Vec<_> = file.deliveries.iter().map(|it| it.state.as_str()).collect();
        let presigned = if file.path == *"one.bin" { "delivered" } else { "skipped" };
        assert_eq!(states, ["delivered", "failed", "delivered", presigned], "{file:?}");
    }
    let message = &outcome.ending.failure().unwrap().message;
    assert!(message.contains("s3://missing/x"), "{message}");
    assert!(sandbox.path("backup/manifest.json").exists());
    let stored = server.files(BUCKET);
    assert!(stored.contains_key("y/manifest.json"));
    assert_eq!(stored["one.bin"], output(&sandbox, "one.bin"));
}
