//! Servers that fail in every possible way. Each time the run reports it, keeps everything, and delivers
//! it once the server works again, and only once.

use std::time::{Duration, Instant};

use chutes_test_support::servers::http::{Act, HttpServer, answer, status};
use chutes_test_support::{Finished, Sandbox, finish};

use super::{addresses, complete, files, hidden, incomplete, output, reason, recover, run};
use crate::programs::{JOBS, new_sandbox};

const SECRET: &str = "signature-that-nobody-may-see";

/// More than the buffers between two processes hold.
const LARGE: usize = 10_000_000;

/// The time limit for delivery to a server that always fails, and to one that recovers.
const SHORT: &str = "6s";
const LONG: &str = "50s";

/// Runs a job with one output of this size that is put to the server.
#[track_caller]
fn deliver(server: &HttpServer, sandbox: &Sandbox, bytes: usize, limit: &str) -> Finished {
    let url = server.url(&format!("/put/model.bin?X-Amz-Signature={SECRET}"));
    addresses(sandbox, &[format!("model.bin={url}")]);
    let more = ["--output", "@addresses", "--upload-limit", limit];
    run(sandbox, &files(&[("model.bin", bytes), ("notes.txt", 10)]), &more)
}

/// Checks that the missing files arrive once the server works again, and only once.
#[track_caller]
fn arrives_later(server: &HttpServer, sandbox: &Sandbox) {
    server.heal();
    let healed = Instant::now();
    let outcome = recover(sandbox, &[]);
    assert!(outcome.sinks[0].is_complete(), "{outcome:#?}");
    assert_eq!(outcome.sinks[0].delivered, 1);
    let requests = server.requests_since(healed);
    assert_eq!(requests.len(), 1, "it was delivered more than once");
    assert!(requests[0].is_whole && requests[0].body == output(sandbox, "model.bin"));
    assert!(!sandbox.path("run/sinks.json").exists());
    recover(sandbox, &[]);
    assert_eq!(server.requests_since(healed).len(), 1, "it was delivered again");
}

/// Delivers to a server that always acts like this. Returns the number of requests, and the reported reason.
#[track_caller]
fn always(act: impl Fn() -> Act + Send + 'static) -> (usize, String) {
    let (server, sandbox) = (HttpServer::start(move |_| act()), new_sandbox());
    let finished = deliver(&server, &sandbox, LARGE, SHORT);
    let outcome = incomplete(&finished);
    let reason = reason(&outcome, "model.bin").to_owned();
    let place = format!("{}/put/model.bin", server.address);
    assert!(outcome.sinks[0].sink.ends_with(&place), "{outcome:#?}");
    hidden(&sandbox, &finished, &[SECRET]);
    let requests = server.requests().len();
    arrives_later(&server, &sandbox);
    (requests, reason)
}

/// A refusal is permanent: there is one request.
#[track_caller]
fn check_refusal(act: impl Fn() -> Act + Send + 'static, expected: &str) {
    let (requests, reason) = always(act);
    assert!(reason.contains(expected), "{reason}");
    assert_eq!(requests, 1, "{reason}");
}

/// A transient failure is retried until there is no time left.
#[track_caller]
fn check_failure(act: impl Fn() -> Act + Send + 'static, expected: &[&str]) {
    let (requests, reason) = always(act);
    assert!(expected.iter().any(|expected| reason.contains(expected)), "{reason}");
    assert!(requests > 1, "it was not tried again: {reason}");
}

#[test]
fn refused() {
    for (code, expected) in [
        (401, "was answered with 401 Unauthorized: no ***"),
        (403, "was answered with 403 Forbidden: no ***"),
        (404, "was answered with 404 Not Found: no ***"),
        (413, "was answered with 413 Payload Too Large: no ***"),
    ] {
        let refusal = move || Act::Answer(answer(code, "", &format!("no {SECRET}")));
        check_refusal(refusal, expected);
    }
}

#[test]
fn refused_before_the_body_was_read() {
    let expected = "was answered with 413 Payload Too Large";
    check_refusal(|| Act::AnswerEarly(status(413)), expected);
}

#[test]
fn redirected() {
    let headers = format!("Location: /elsewhere?token={SECRET}\r\n");
    let redirect = move || Act::Answer(answer(307, &headers, "moved"));
    let expected = "was answered with 307 Temporary Redirect: give the address";
    check_refusal(redirect, expected);
}

/// A success that is reported before the body was read does not count.
#[test]
fn confirmed_before_the_body_was_read() {
    let expected = ["confirmed the file before it had all of it", "failed: "];
    check_failure(|| Act::AnswerAndClose(status(200)), &expected);
}

#[test]
fn confirmed_before_the_body_was_sent() {
    let expected = ["confirmed the file before it had all of it"];
    check_failure(|| Act::AnswerEarly(status(200)), &expected);
}

#[test]
fn reset_in_the_middle() {
    check_failure(|| Act::Reset(1_000_000), &["failed: "]);
}

#[test]
fn garbage() {
    check_failure(|| Act::Raw("ha ha\r\n\r\n"), &["failed: "]);
}

#[test]
fn silence() {
    check_failure(|| Act::Raw(""), &["failed: "]);
}

#[test]
fn impossible_length() {
    let act = || Act::Raw("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n");
    check_failure(act, &["failed: "]);
}

/// The status counts, whatever is missing after it.
#[test]
fn answer_that_breaks_off() {
    let act = || Act::Raw("HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nbusy");
    check_failure(act, &["was answered with 503 Service Unavailable"]);
}

/// A stalled transfer ends with the time limit for delivery at the latest.
#[test]
fn stalled() {
    let (requests, reason) = always(|| Act::Stall(100_000));
    assert_eq!(reason, "the time for delivery was over before this was done");
    assert_eq!(requests, 1);
}

/// The whole body is sent again.
#[test]
fn well_after_an_error() {
    for bytes in [0, 1_000, LARGE] {
        let server = HttpServer::of([Act::Answer(status(500)), Act::Answer(status(503))]);
        let sandbox = new_sandbox();
        complete(&deliver(&server, &sandbox, bytes, LONG));
        let content = output(&sandbox, "model.bin");
        let requests = server.requests();
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(|request| request.is_whole && request.body == content));
    }
}

#[test]
fn well_after_a_reset() {
    let server = HttpServer::of([Act::Reset(1_000_000), Act::Raw("")]);
    let sandbox = new_sandbox();
    complete(&deliver(&server, &sandbox, LARGE, LONG));
    assert_eq!(server.requests().len(), 3);
    assert!(server.requests()[2].body == output(&sandbox, "model.bin"));
}

#[test]
fn asked_to_wait() {
    let busy = answer(429, "Retry-After: 1\r\n", "slow down");
    let (server, sandbox) = (HttpServer::of([Act::Answer(busy)]), new_sandbox());
    complete(&deliver(&server, &sandbox, 1_000, LONG));
    let times: Vec<_> = server.requests().iter().map(|request| request.at).collect();
    assert_eq!(times.len(), 2);
    assert!(times[1] - times[0] >= Duration::from_secs(1), "{:?}", times[1] - times[0]);
}

/// A server that asks for a longer wait than the time that is left has refused.
#[test]
fn asked_to_wait_for_too_long() {
    let busy = || Act::Answer(answer(429, "Retry-After: 100\r\n", "slow down"));
    let expected = "429 Too Many Requests: slow down (after 1 attempt); the server asks for a wait of 1m 40s; there \
                    is no time left to try again";
    check_refusal(busy, expected);
}

#[test]
fn gone() {
    let (server, sandbox) = (HttpServer::of([]), new_sandbox());
    let address = server.address;
    let url = server.url(&format!("/put/model.bin?X-Amz-Signature={SECRET}"));
    drop(server);
    addresses(&sandbox, &[format!("model.bin={url}")]);
    let more = ["--output", "@addresses", "--upload-limit", SHORT];
    let finished = run(&sandbox, &files(&[("model.bin", 1_000)]), &more);
    let outcome = incomplete(&finished);
    let reason = reason(&outcome, "model.bin");
    assert!(reason.contains("Connection refused"), "{reason}");
    hidden(&sandbox, &finished, &[SECRET]);
    let server = HttpServer::start_at(address, |_| Act::Answer(status(200)));
    arrives_later(&server, &sandbox);
}

/// Some files have arrived before the server failed: only the others are sent later.
#[test]
fn the_rest() {
    let server = HttpServer::start(|request| match request.path() {
        "/put/second" => Act::Answer(status(403)),
        _ => Act::Answer(status(200)),
    });
    let sandbox = new_sandbox();
    let names = ["first", "second", "third"];
    let lines = names.map(|name| format!("{name}={}", server.url(&format!("/put/{name}"))));
    addresses(&sandbox, &lines);
    let sizes = names.map(|name| (name, 100_000));
    let outcome = incomplete(&run(&sandbox, &files(&sizes), &["--output", "@addresses"]));
    let [sink] = &outcome.sinks[..] else { panic!("one sink for one server: {outcome:#?}") };
    assert_eq!(sink.sink, format!("3 URLs at {}", server.url("").trim_end_matches('/')));
    assert_eq!((sink.delivered, sink.failed, sink.skipped), (2, 1, 2));
    assert_eq!(server.requests().len(), 3);
    server.heal();
    let outcome = recover(&sandbox, &[]);
    assert!(outcome.sinks.iter().all(chutes::sink::SinkReport::is_complete), "{outcome:#?}");
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    assert_eq!(requests[3].path(), "/put/second");
    assert!(requests[3].body == output(&sandbox, "second"));
}

/// The report for people has the reason and a remedy, and later the success.
#[test]
fn what_people_see() {
    let refusal = || Act::Answer(answer(403, "", "no"));
    let (server, sandbox) = (HttpServer::start(move |_| refusal()), new_sandbox());
    let url = server.url("/put");
    addresses(&sandbox, &[format!("a={url}?{SECRET}"), format!("zip+{url}?{SECRET}")]);
    let data = files(&[("a", 10), ("b", 10)]).to_string();
    let run = ["run", "delivers", "--data", &data, "--run-dir", "run", "--output", "@addresses"];
    let finished = finish(sandbox.command(&run));
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    let why = format!("PUT {url} was answered with 403 Forbidden: no");
    let directory = sandbox.path("run").display().to_string();
    let expected = [
        format!("{url}: `a` not delivered: {why}"),
        format!("zip+{url}?…: `a` and 3 more not delivered: {why}"),
        format!(
            "hint: when that is put right, this delivers what is missing: {JOBS} recover {directory}"
        ),
    ];
    let is_shown = |line: &String| finished.stderr.lines().any(|other| other == line);
    assert!(expected.iter().all(is_shown), "{}", finished.stderr);
    assert!(!finished.stderr.contains("since"), "{}", finished.stderr);
    assert!(!finished.stderr.contains(SECRET), "{}", finished.stderr);

    server.heal();
    let finished = finish(sandbox.command(&["recover", "run"]));
    assert!(finished.stderr.contains("all files have been delivered since\n"), "{finished:#?}");
    assert!(!finished.stderr.contains("hint:"), "{}", finished.stderr);
}
