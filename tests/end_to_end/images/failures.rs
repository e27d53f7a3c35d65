//! Runs that cannot complete: the failure is reported, and what exists is kept.

use chutes::outcome::FailureKind;
use chutes_test_support::containers::image;
use chutes_test_support::finish;
use chutes_test_support::record::collected;
use chutes_test_support::servers::http::HttpServer;
use serde_json::json;

use crate::stage::{Stage, shell, with};

#[test]
fn exit_code_that_is_not_zero() {
    let stage = Stage::new();
    let server = HttpServer::of([]);
    let script = "printf half > /output/a; printf b > /results/b; echo last words >&2; exit 7";
    let spec = with(
        shell(script),
        json!({
            "artifacts_dir": "/results",
            "output_volumes": {"/output/a": {"type": "http_put", "url": server.url("/a")}},
        }),
    );
    let ended = stage.run(&spec);
    let said = ["7", "last words"];
    ended.check(1, "failed", FailureKind::NonzeroReturnCode, &said);
    assert_eq!(ended.outcome.ending.failure().unwrap().worker_exit_code, Some(7));
    assert_eq!(collected(&ended.outcome), ["a"]);
    assert_eq!(ended.outcome.artifacts.len(), 1);
    assert_eq!(stage.text("logs/stderr.log"), "last words\n");
    // Outputs of a job that failed are worth as much.
    assert_eq!(server.requests()[0].body, b"half");
}

#[test]
fn container_that_is_killed_from_inside() {
    let stage = Stage::new();
    let ended = stage.run(&shell("kill -KILL $$; sleep 100"));
    assert_eq!(ended.finished.code, Some(1), "{ended:#?}");
    let kind = ended.outcome.ending.failure().unwrap().kind;
    assert!(matches!(kind, FailureKind::Killed | FailureKind::NonzeroReturnCode), "{ended:#?}");
}

#[test]
fn program_that_is_not_in_the_image() {
    let stage = Stage::new();
    let ended = stage.run(&json!({"image": image::PLAIN, "args": ["/no/such/program"]}));
    assert_eq!(ended.finished.code, Some(1), "{ended:#?}");
    assert_eq!(ended.outcome.status().to_string(), "failed");
    let message = &ended.outcome.ending.failure().unwrap().message;
    assert!(message.contains("/no/such/program"), "{message}");
}

#[test]
fn image_that_is_not_there() {
    let image = "localhost/chutes-test-none:9";
    for pull in ["never", "missing"] {
        let stage = Stage::new();
        let mut command = stage.command(&json!({"image": image}));
        command.args(["--pull", pull]);
        let ended = stage.ended(finish(command));
        ended.check(1, "failed", FailureKind::ImageUnavailable, &[image]);
        assert_eq!(ended.elapsed("execute"), None);
    }
}

/// A missing engine is a platform failure, with a remedy in the message.
#[test]
fn no_engine() {
    let stage = Stage::new();
    let mut command = stage.command(&shell("true"));
    let socket = format!("unix://{}", stage.sandbox.path("none.sock").display());
    command.env("DOCKER_HOST", &socket);
    let ended = stage.ended(finish(command));
    let message = ended.check(4, "platform_failed", FailureKind::Platform, &["none.sock"]);
    assert!(message.contains("DOCKER_HOST") || ended.finished.stderr.contains("DOCKER_HOST"));
}

/// The container gets the memory that was requested, and no more.
#[test]
fn memory_limit() {
    let stage = Stage::new();
    let script = "touch /output/a; head -c 500000000 /dev/zero | tail -c 400000000 > /dev/null";
    let script = format!("{script}; echo alive");
    let spec = with(shell(&script), json!({"resources": {"memory": "64MB"}}));
    let ended = stage.run(&spec);
    ended.check(1, "failed", FailureKind::MemoryLimit, &["64"]);
    assert_eq!(collected(&ended.outcome), ["a"]);
}

/// Endless output needs bounded memory and disk.
#[test]
fn huge_output() {
    let stage = Stage::new();
    let begin = "head -c 200000000 /dev/zero | tr '\\0' x; echo; echo the end >&2";
    let running = stage.start(&shell(begin));
    let mut peak = 0;
    let finished = running.finish_watched(std::time::Duration::from_millis(50), |pid| {
        peak = peak.max(chutes_test_support::machine::peak_memory(pid).unwrap_or_default());
    });
    let ended = stage.ended(finished);
    assert_eq!(ended.finished.code, Some(0), "{:?}", ended.finished.errors());
    assert!(peak > 0 && peak < 150_000, "{peak} kB of memory");
    assert_eq!(stage.text("logs/stderr.log"), "the end\n");
    let kept = stage.read("logs/stdout.log").len();
    assert!((1_000_000..=200_000_001).contains(&kept), "{kept} bytes");
}
