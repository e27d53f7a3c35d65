//! Runs the binary as a user does: sends requests over real connections, cancels it, reads its report.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod program;

use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::Ipv4Addr;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use self::program::{connect, own_address, start, wait_for_line};

/// Asks, and returns status line, headers and body.
fn ask(host: Ipv4Addr, port: u16, path: &str) -> String {
    let mut stream = connect(host, port).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn body(answer: &str) -> Value {
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn a_server_serves_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let host = own_address();
    let mut child = start(host, &folder.path().join("run"), &["--set", "message=moin"]);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    // The supervisor asks the readiness path, which is the first request.
    wait_for_line(&mut log, "port `web` is ready");

    assert_eq!(body(&ask(host, 8080, "/")), json!({"message": "moin", "requests": 1}));
    assert_eq!(body(&ask(host, 8080, "/health"))["status"], "ok");
    assert!(ask(host, 8080, "/nowhere").starts_with("HTTP/1.1 404 "));
    let metrics = ask(host, 9090, "/metrics");
    assert!(metrics.contains(r#"http_requests_total{path="/",status="200"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"http_requests_total{path="other",status="404"} 1"#), "{metrics}");
    // A connection that is open and idle must not delay the end.
    let mut idle = connect(host, 8080).unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nhost: idle\r\n\r\n").unwrap();
    assert_ne!(idle.read(&mut [0; 1024]).unwrap(), 0);

    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest}");
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["status"], "cancelled");
    assert_eq!(outcome["result"]["requests"], 5, "{outcome}");
    assert_eq!(outcome["result"]["drained"], true, "{outcome}");
    for port in [8080, 9090] {
        assert_eq!(connect(host, port).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // The other half of the addresses, so that the servers of the two tests do not collide.
    let [_, _, high, low] = own_address().octets();
    let host = Ipv4Addr::new(127, 78, high, low);
    let _taken = std::net::TcpListener::bind((host, 9090)).unwrap();
    let output = start(host, &folder.path().join("run"), &[]).wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["status"], "rejected");
    assert_eq!(outcome["failure"]["kind"], "port_unavailable");
    let message = outcome["failure"]["message"].as_str().unwrap();
    let place = format!("port `metrics` cannot be opened at {host}:9090");
    assert!(message.starts_with(&place), "{message}");
}
