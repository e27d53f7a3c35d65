//! Time limits and cancelling: the container gets a signal and its grace, is removed, and its outputs are kept.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use chutes::outcome::FailureKind;
use chutes_test_support::record::collected;
use chutes_test_support::servers::http::{Act, HttpServer};
use chutes_test_support::servers::inputs::{InputServer, Served};
use rustix::process::Signal;
use serde_json::json;

use crate::stage::{Stage, shell, with};

/// Two seconds, then the outputs so far are sent.
#[test]
fn execution_that_hangs() {
    let stage = Stage::new();
    let server = HttpServer::of([]);
    let script = "printf half > /output/a; trap '' TERM; while true; do sleep 1; done";
    let spec = with(
        shell(script),
        json!({
            "limits": {"execute": "2s", "grace": "1s"},
            "output_volumes": {"/output/a": {"type": "http_put", "url": server.url("/a")}},
        }),
    );
    let ended = stage.run(&spec);
    ended.check(
        124,
        "timed_out",
        FailureKind::TimeLimit,
        &["execute phase", "limit of 2s", "killed"],
    );
    let elapsed = ended.elapsed("execute").unwrap();
    assert!(elapsed >= Duration::from_secs(2) && elapsed < Duration::from_secs(20), "{elapsed:?}");
    assert_eq!(server.requests()[0].body, b"half");
    assert_eq!(collected(&ended.outcome), ["a"]);
}

/// The last files of the container are waited for.
#[test]
fn execution_that_ends_when_it_is_told() {
    let stage = Stage::new();
    let script = "trap 'printf saved > /output/a; exit 0' TERM; while true; do sleep 0.1; done";
    let spec = with(shell(script), json!({"limits": {"execute": "2s", "grace": "30s"}}));
    let ended = stage.run(&spec);
    ended.check(124, "timed_out", FailureKind::TimeLimit, &[]);
    assert_eq!(stage.text("outputs/a"), "saved");
    assert!(ended.elapsed("execute").unwrap() < Duration::from_secs(25));
}

#[test]
fn download_that_hangs() {
    let server = InputServer::start([
        ("/silent", Served::silent()),
        ("/slow", Served::new(vec![0; 50_000_000]).slow(Duration::from_millis(200))),
    ]);
    for path in ["/silent", "/slow"] {
        let stage = Stage::new();
        let volume = json!({"type": "http", "url": server.url(path)});
        let more = json!({
            "limits": {"download": "2s", "grace": "1s"}, "input_volumes": {"/volume/a": volume},
        });
        let begin = Instant::now();
        let ended = stage.run(&with(shell("touch /output/begun"), more));
        let message = ended.check(124, "timed_out", FailureKind::TimeLimit, &[]);
        assert!(message.contains("download"), "{message}");
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
        assert_eq!(ended.elapsed("execute"), None);
        assert!(!stage.path("outputs/begun").exists());
    }
}

/// The limit alone would hide what is wrong.
#[test]
fn download_limit_says_what_was_tried() {
    let refused = InputServer::start([("/file", Served::refused(503))]);
    let silent = InputServer::start([("/file", Served::silent())]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}/file", listener.local_addr().unwrap());
    drop(listener);
    let (refused, silent) = (refused.url("/file"), silent.url("/file"));
    for (url, error) in [
        (&refused, "was answered with 503 Service Unavailable: refused (after "),
        (&nobody, "failed: tcp connect error: Connection refused"),
        (&silent, "had not come to its end"),
    ] {
        let stage = Stage::new();
        let volume = json!({"type": "http", "url": format!("{url}?token=s3cret")});
        let more = json!({"limits": {"download": "6s"}, "input_volumes": {"/volume/a": volume}});
        let ended = stage.run(&with(shell("touch /output/begun"), more));
        let said = [format!("limit of 6s: /volume/a: GET {url} {error}")];
        let said = said.each_ref().map(String::as_str);
        let message = ended.check(124, "timed_out", FailureKind::TimeLimit, &said);
        assert!(!message.contains("s3cret"), "{message}");
        let stderr = &ended.finished.stderr;
        assert!(stderr.contains(said[0]), "{stderr}");
        let warning =
            format!("fetching /volume/a: GET {url} {}", error.trim_end_matches(" (after "));
        assert_eq!(stderr.contains(&warning), url != &silent, "{stderr}");
    }
}

#[test]
fn upload_that_hangs() {
    let stage = Stage::new();
    let server = HttpServer::start(|_| Act::Stall(0));
    let more = json!({
        "limits": {"upload": "2s", "grace": "1s"},
        "output_volumes": {"/output/a": {"type": "http_put", "url": server.url("/a")}},
    });
    let begin = Instant::now();
    let ended = stage.run(&with(shell("printf 1 > /output/a"), more));
    // The job succeeded, but its files did not arrive.
    ended.check(3, "failed", FailureKind::UploadFailed, &["time for delivery was over"]);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert_eq!(stage.text("outputs/a"), "1");
}

/// The time of a phase that was not used is not added to the next.
#[test]
fn limits_do_not_carry_over() {
    let stage = Stage::new();
    let limits = json!({"limits": {"start": "1h", "download": "1h", "execute": "1s", "grace": 0}});
    let ended = stage.run(&with(shell("sleep 100"), limits));
    ended.check(124, "timed_out", FailureKind::TimeLimit, &[]);
    assert!(ended.elapsed("execute").unwrap() < Duration::from_secs(15));
}

#[test]
fn cancelled_container_sees_the_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let stage = Stage::new();
        let script = "trap 'printf saved > /output/b; exit 0' TERM; printf 1 > /output/a; \
            while true; do sleep 0.1; done";
        let more = json!({"limits": {"grace": "30s"}});
        let running = stage.start(&with(shell(script), more));
        stage.wait_for("outputs/a");
        running.signal(signal);
        let ended = stage.ended(running.finish());
        ended.check(130, "cancelled", FailureKind::Cancelled, &[]);
        assert_eq!(collected(&ended.outcome), ["a", "b"]);
        assert_eq!(stage.text("outputs/b"), "saved");
    }
}

/// The second signal does not wait.
#[test]
fn cancelled_twice() {
    let stage = Stage::new();
    let script = "trap 'touch /output/told' TERM; printf 1 > /output/a; \
        while true; do sleep 0.1; done";
    let running = stage.start(&with(shell(script), json!({"limits": {"grace": "10m"}})));
    stage.wait_for("outputs/a");
    running.signal(Signal::INT);
    stage.wait_for("outputs/told");
    running.signal_again(Signal::INT);
    let ended = stage.ended(running.finish());
    ended.check(130, "cancelled", FailureKind::Cancelled, &[]);
    assert_eq!(collected(&ended.outcome), ["a", "told"]);
}

#[test]
fn cancelled_while_downloading() {
    let stage = Stage::new();
    let server = InputServer::start([("/silent", Served::silent())]);
    let volume = json!({"type": "http", "url": server.url("/silent")});
    let more = json!({"input_volumes": {"/volume/a": volume}});
    let running = stage.start(&with(shell("touch /output/begun"), more));
    server.wait_for("/silent");
    running.signal(Signal::INT);
    let ended = stage.ended(running.finish());
    ended.check(130, "cancelled", FailureKind::Cancelled, &[]);
    assert_eq!(ended.elapsed("execute"), None);
}
