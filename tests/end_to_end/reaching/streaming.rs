//! Jobs behind the TLS front: which clients are accepted, what is passed on, and how such runs end.

mod python;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::Instant;

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes_test_support::clients::front::{self, Client, Identity};
use chutes_test_support::clients::tcp::{ask, check_free, connect, free_number};
use chutes_test_support::events::{events, named};
use chutes_test_support::record::{collected, statuses};
use chutes_test_support::{own_address, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::{Ended, Server};

/// The size of what `/download` sends at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// The number of pieces of a large transfer: 100 MiB.
const MUCH: u64 = 1_600;

/// Starts the job behind a front without client certificates, and waits until it serves.
#[track_caller]
fn for_everybody() -> (Server, Client) {
    let server = Server::of_spec(json!({"streaming": true}), "");
    let client = Client::of(&server.wait_for("streaming", "", ""), &server.sandbox);
    (server, client)
}

/// How a run failed.
#[track_caller]
fn check_failure(ended: &(Outcome, Ended), status: &str, code: i32, kind: FailureKind, said: &str) {
    let (outcome, ended) = ended;
    assert_eq!(outcome.status().to_string(), status, "{ended:#?}");
    assert_eq!(ended.finished.code, Some(code));
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, kind, "{failure:?}");
    assert!(failure.message.contains(said), "`{said}` is not said: {failure:?}");
}

/// Checks that no address of the front was ever reported.
#[track_caller]
fn check_never_ready(ended: &(Outcome, Ended)) {
    let (outcome, ended) = ended;
    assert_eq!(outcome.endpoints.streaming, None);
    assert!(!statuses(&ended.sandbox.path("run")).iter().any(|status| status == "streaming_ready"));
    assert!(named(&events(&ended.sandbox.path("events")), "streaming").is_empty());
}

#[test]
fn order_of_things() {
    let (server, client) = for_everybody();
    assert_eq!(client.curl(&[], "/"), (0, "a page\n".to_owned()));
    let (outcome, ended) = server.cancel();
    let expected = ["received", "accepted", "executor_ready", "streaming_ready", "execution_done"];
    assert_eq!(statuses(&ended.sandbox.path("run")), expected);
    let streaming = outcome.endpoints.streaming.as_ref().unwrap();
    assert_eq!((&*streaming.host, streaming.port), (&*own_address(), client.address.port()));
    assert_eq!(streaming.certificate, client.certificate);
    assert_eq!(collected(&outcome), ["checkpoint-1.bin"]);
    let all = events(&ended.sandbox.path("events"));
    let place = |wanted: &dyn Fn(&Value) -> bool| all.iter().position(wanted).unwrap();
    let ready = place(&|event| event["status"] == "streaming_ready");
    let reported = place(&|event| event["event"] == "streaming");
    let phase = |name: &'static str| place(&|event| event["phase"] == name);
    assert!(
        phase("streaming_start") < ready && ready < reported && reported < phase("execute"),
        "{all:#?}"
    );
    check_free(&[client.address]);
}

#[test]
fn only_those_with_the_certificate() {
    let sandbox = tempfile::tempdir().unwrap();
    let [right, wrong] = ["right", "wrong"].map(|name| Identity::make(sandbox.path(), name));
    let spec = json!({"streaming": {"client_certificate": right.certificate()}});
    let server = Server::of_spec(spec, "");
    let client = Client::of(&server.wait_for("streaming", "", ""), &server.sandbox);
    let page = (0, "a page\n".to_owned());
    assert_eq!(client.curl(&right.for_curl(), "/"), page);
    for version in ["1.2", "1.3"] {
        let version = ["--tlsv1.2", "--tls-max", version];
        let with = |identity: &Identity| {
            client.curl(&[&version.map(String::from)[..], &identity.for_curl()].concat(), "/")
        };
        assert_eq!(with(&right), page, "{version:?}");
        // It has the same name as the right one, but another key.
        let (code, body) = with(&wrong);
        assert!(code != 0 && body.is_empty(), "{version:?}: {code} {body}");
        let (code, body) = client.curl(&version.map(String::from), "/");
        assert!(code != 0 && body.is_empty(), "{version:?}: {code} {body}");
    }
    // Refused clients have not affected others.
    assert_eq!(client.curl(&right.for_curl(), "/"), page);
    server.cancel();
}

/// Clients trust this certificate for this name, and nothing else.
#[test]
fn name_of_the_certificate() {
    let server = Server::of_spec(json!({"streaming": true}), "--public-host gpu-7.test");
    let event = server.wait_for("streaming", "host", "gpu-7.test");
    let mut client = Client::of(&event, &server.sandbox);
    assert_ne!(client.curl(&[], "/").0, 0, "it is not for an address");
    client.host = "gpu-7.test".to_owned();
    assert_eq!(client.curl(&[], "/"), (0, "a page\n".to_owned()));
    server.cancel();
}

#[test]
fn http_2() {
    let (server, client) = for_everybody();
    let said = ["--write-out", "%{http_version} %{http_code}"].map(String::from);
    for (option, version) in [("--http2", "2"), ("--http1.1", "1.1")] {
        let options = [&[option.to_owned()][..], &said].concat();
        assert_eq!(client.curl(&options, "/"), (0, format!("a page\n{version} 200")));
        let (_, missing) = client.curl(&options, "/nowhere");
        assert_eq!(missing, format!("{version} 404"));
    }
    server.cancel();
}

#[test]
fn protocols_can_be_changed() {
    let (server, client) = for_everybody();
    let mut connection = client.connect();
    let head =
        "GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: test-echo\r\n\r\n";
    connection.write_all(head.as_bytes()).unwrap();
    let answer = front::read_head(&mut connection);
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    for message in ["one", "\r\n\0 two", "three"] {
        connection.write_all(message.as_bytes()).unwrap();
        let mut back = vec![0; message.len()];
        connection.read_exact(&mut back).unwrap();
        assert_eq!(back, message.as_bytes());
    }
    server.cancel();
    assert!(front::is_cut_off(&mut connection));
}

/// An event is passed on at once, and not collected with others.
#[test]
fn events_one_by_one() {
    let (server, client) = for_everybody();
    let web = server.ready("web");
    let mut connection = client.connect();
    connection.write_all(b"GET /events HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    for number in 0..20 {
        if number > 0 {
            assert_eq!(ask(web, "POST", "/tick").0, 200);
        }
        front::read_until(&mut connection, &format!("data: event {number}\n\n"));
    }
    let mut curl = client.start_curl(&["--http2", "--no-buffer"], "/events");
    let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
    for number in 0..20 {
        if number > 0 {
            assert_eq!(ask(web, "POST", "/tick").0, 200);
        }
        assert_eq!(lines.next().unwrap().unwrap(), format!("data: event {number}"));
        assert_eq!(lines.next().unwrap().unwrap(), "");
    }
    server.cancel();
    assert!(lines.next().is_none());
    assert!(!curl.wait().unwrap().success(), "the end was not that of the events");
}

/// What `/download` sends.
fn much() -> Vec<u8> {
    let mut content = Vec::new();
    for number in (0..MUCH).map(u64::to_le_bytes) {
        content.extend(number);
        content.resize(content.len() + PIECE - 8, number[0]);
    }
    content
}

#[track_caller]
fn check_much(version: &str) {
    let (server, client) = for_everybody();
    let content = much();
    let file = server.sandbox.path("file");
    std::fs::write(&file, &content).unwrap();
    let upload = [version, "--upload-file", file.to_str().unwrap()].map(String::from);
    let expected = format!("{} {:02x?}", content.len(), &Sha256::digest(&content)[..]);
    assert_eq!(client.curl(&upload, "/upload"), (0, expected));
    let back = server.sandbox.path("back");
    let download = [version, "--output", back.to_str().unwrap()].map(String::from);
    assert_eq!(client.curl(&download, &format!("/download/{MUCH}")).0, 0);
    assert!(std::fs::read(&back).unwrap() == content, "it has changed on its way");
    server.cancel();
}

#[test]
fn much_in_both_directions() {
    check_much("--http1.1");
}

#[test]
fn much_in_both_directions_over_http_2() {
    check_much("--http2");
}

/// Clients that connect and send nothing, or send or read slowly, do not delay others.
#[test]
fn slow_clients() {
    let (server, client) = for_everybody();
    let _silent: Vec<_> = (0..200).map(|_| connect(client.address)).collect();
    let mut slow: Vec<_> = (0..30).map(|_| client.connect()).collect();
    for (number, connection) in slow.iter_mut().enumerate() {
        match number % 3 {
            0 => {}
            1 => connection.write_all(b"GET / HTTP/1.1\r\nhost: ").unwrap(),
            _ => {
                let head = format!("GET /download/{MUCH} HTTP/1.1\r\nhost: test\r\n\r\n");
                connection.write_all(head.as_bytes()).unwrap();
                front::read_head(connection);
            }
        }
    }
    let begin = Instant::now();
    for _ in 0..5 {
        assert_eq!(client.curl(&[], "/"), (0, "a page\n".to_owned()));
    }
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
    // They are served when they send their request.
    slow[1].write_all(b"test\r\n\r\n").unwrap();
    front::read_until(&mut slow[1], "a page\n");
    let begin = Instant::now();
    server.cancel();
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
    assert!(front::is_cut_off(&mut slow[1]));
}

/// No request is served before the health check of the job succeeds.
#[test]
fn late_but_in_time() {
    let spec = json!({
        "streaming": true, "data": {"healthy": false}, "limits": {"streaming_start": "40s"}
    });
    let number = free_number(&own_address());
    let server = Server::of_spec(spec, &format!("--streaming-port {number}"));
    let web = server.address("web");
    server.ready("echo");
    wait_until("its health is asked for again and again", || {
        ask(web, "GET", "/asked").1.parse::<u32>().unwrap() >= 5
    });
    assert!(named(&server.events(), "streaming").is_empty());
    // An early client waits.
    let mut early = connect((own_address().parse::<std::net::IpAddr>().unwrap(), number).into());
    early.set_read_timeout(Some(std::time::Duration::from_millis(300))).unwrap();
    assert!(early.read(&mut [0]).is_err());
    assert_eq!(ask(web, "POST", "/healthy").0, 200);
    let client = Client::of(&server.wait_for("streaming", "", ""), &server.sandbox);
    assert_eq!(client.address.port(), number);
    assert_eq!(client.curl(&[], "/"), (0, "a page\n".to_owned()));
    server.cancel();
}

#[test]
fn never_healthy() {
    let spec = json!({
        "streaming": true, "data": {"healthy": false},
        "limits": {"streaming_start": "2s", "execute": "10h"}
    });
    let begin = Instant::now();
    let ended = Server::of_spec(spec, "").finish();
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
    let said = "phase reached its limit of 2s; `GET /health` was answered with 503 (after ";
    check_failure(&ended, "timed_out", 124, FailureKind::TimeLimit, said);
    let phase = ended.0.ending.failure().unwrap().phase.unwrap();
    assert_eq!(phase.as_str(), "streaming_start");
    check_never_ready(&ended);
    assert_eq!(collected(&ended.0), ["checkpoint-1.bin"]);
}

#[test]
fn ends_before_it_is_healthy() {
    let spec = json!({
        "streaming": true, "data": {"healthy": false}, "limits": {"streaming_start": "40s"}
    });
    let server = Server::of_spec(spec, "");
    let web = server.address("web");
    server.ready("echo");
    assert_eq!(ask(web, "POST", "/end").0, 200);
    let ended = server.finish();
    check_failure(&ended, "failed", 1, FailureKind::JobError, "`/health` did not answer 200");
    check_never_ready(&ended);
    assert_eq!(collected(&ended.0), ["checkpoint-1.bin"]);
}

#[test]
fn ends_by_itself() {
    let (server, client) = for_everybody();
    assert_eq!(client.curl(&["--request".into(), "POST".into()], "/end").0, 0);
    let (outcome, ended) = server.finish();
    assert_eq!(outcome.status().to_string(), "completed", "{ended:#?}");
    check_free(&[client.address]);
}

#[test]
fn dies_while_it_serves() {
    let (server, client) = for_everybody();
    let mut connection = client.connect();
    connection.write_all(b"GET /events HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    front::read_until(&mut connection, "data: event 0\n\n");
    let begin = Instant::now();
    client.curl(&["--request".into(), "POST".into()], "/die");
    let ended = server.finish();
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
    check_failure(&ended, "failed", 1, FailureKind::Aborted, "");
    assert_eq!(collected(&ended.0), ["checkpoint-1.bin"]);
    assert!(front::is_cut_off(&mut connection));
    check_free(&[client.address]);
}

#[test]
fn cancelled_while_clients_are_connected() {
    let (server, client) = for_everybody();
    let mut connections: Vec<_> = (0..3).map(|_| client.connect()).collect();
    for connection in &mut connections[1..] {
        connection.write_all(b"GET /events HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        front::read_until(connection, "data: event 0\n\n");
    }
    let begin = Instant::now();
    server.cancel();
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
    for connection in &mut connections {
        assert!(front::is_cut_off(connection));
    }
    check_free(&[client.address]);
}

/// The address of the front is on record after the supervisor was killed, too.
#[test]
fn killed_supervisor() {
    let (server, client) = for_everybody();
    let mut connection = client.connect();
    connection.write_all(b"GET /events HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
    front::read_until(&mut connection, "data: event 0\n\n");
    let Server { running, sandbox } = server;
    running.signal(Signal::KILL);
    running.finish_killed();
    assert!(front::is_cut_off(&mut connection));
    let outcome = sandbox.run("recover run --json").recovered_outcome();
    let streaming = outcome.endpoints.streaming.as_ref().unwrap();
    assert_eq!(
        (streaming.port, &*streaming.certificate),
        (client.address.port(), &*client.certificate)
    );
    assert_eq!(collected(&outcome), ["checkpoint-1.bin"]);
    check_free(&[client.address]);
}

/// An impossible configuration is refused before user code runs.
#[test]
fn refused_from_the_start() {
    let check = |spec: Value, arguments: &str, kind, said: &str| {
        let ended = Server::of_spec(spec, arguments).finish();
        check_failure(&ended, "rejected", 2, kind, said);
        check_never_ready(&ended);
        let root = ended.1.sandbox.path("run");
        assert_eq!(statuses(&root), ["received"]);
        assert!(!root.join("scratch/hooks.txt").exists(), "a startup hook has run");
    };
    let pem = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
    let bad = json!({"streaming": {"client_certificate": pem}});
    // The reader of specs refuses it already, that of requests does not.
    let ended = Server::of_request(bad).finish();
    let said = "cannot read the client certificate";
    check_failure(&ended, "rejected", 2, FailureKind::InvalidSpec, said);
    assert_eq!(statuses(&ended.1.sandbox.path("run")), ["received"]);
    let none = json!({"streaming": {"port": "echo1"}});
    check(none, "", FailureKind::InvalidSpec, "port `echo1`, which is not declared");
    let taken = TcpListener::bind((own_address(), 0)).unwrap();
    let number = taken.local_addr().unwrap().port();
    let said = format!("cannot listen on {}:{number} for streaming", own_address());
    let arguments = format!("--streaming-port {number}");
    check(json!({"streaming": true}), &arguments, FailureKind::PortUnavailable, &said);
    // The port belongs to the job, which has not opened it yet.
    let said = format!("cannot listen on {}:9000 for streaming", own_address());
    let arguments = "--streaming-port 9000";
    check(json!({"streaming": true}), arguments, FailureKind::PortUnavailable, &said);
}
