//! Runs the binary as a user does: sends requests over real connections, cancels it, reads its report.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

const PATIENCE: Duration = Duration::from_secs(20);

/// An address of this machine for this test alone, also when tests run at the same time: the
/// ports are fixed, so the address is what differs.
fn own_address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 77, high, low.clamp(1, 254))
}

fn start(host: Ipv4Addr, run_dir: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_web-server"))
        .args(["run", "web_server", "--json", "--host", &host.to_string(), "--run-dir"])
        .arg(run_dir)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn connect(host: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((host, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

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

fn wait_for_line(log: &mut BufReader<ChildStderr>, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        assert_ne!(log.read_line(&mut seen).unwrap(), 0, "no {text:?} in:\n{seen}");
    }
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

/// Where the front is. The event may be written a moment after the line is printed.
fn streaming_event(path: &Path) -> Value {
    let begin = Instant::now();
    loop {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut events = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
        if let Some(front) = events.find(|event| event["event"] == "streaming") {
            return front;
        }
        assert!(begin.elapsed() < PATIENCE, "no such event in {text}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A WebSocket of a client that trusts this certificate (PEM).
fn open_echo(
    host: Ipv4Addr,
    port: u16,
    certificate: &str,
) -> WebSocket<StreamOwned<ClientConnection, TcpStream>> {
    let mut trusted = RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth();
    let tls = ClientConnection::new(Arc::new(config), IpAddr::from(host).into()).unwrap();
    let stream = StreamOwned::new(tls, connect(host, port).unwrap());
    tungstenite::client(format!("wss://{host}:{port}/echo"), stream).unwrap().0
}

/// What the README shows: a certificate in the events, and requests over TLS.
#[test]
fn requests_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let [_, _, high, low] = own_address().octets();
    let host = Ipv4Addr::new(127, 79, high, low);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("spec"), r#"{"job": "web_server", "streaming": {"port": "web"}}"#).unwrap();
    let arguments = ["--spec", &path("spec"), "--events", &path("events")];
    let mut child = start(host, &folder.path().join("run"), &arguments);
    let mut log = BufReader::new(child.stderr.take().unwrap());
    wait_for_line(&mut log, "streaming: ready at https://");
    let front = streaming_event(Path::new(&path("events")));
    std::fs::write(path("front.pem"), front["certificate"].as_str().unwrap()).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"]);
    curl.args(["--cacert", &path("front.pem"), &format!("https://{host}:{}/", front["port"])]);
    let answer = curl.output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(answer["message"], "Hello from a job!");

    let port = front["port"].as_u64().unwrap().try_into().unwrap();
    let mut socket = open_echo(host, port, front["certificate"].as_str().unwrap());
    for text in ["short", &"long".repeat(100_000)] {
        socket.send(Message::text(text)).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text(text));
    }

    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130), "{rest}");
    // The end of the run ends it, with a close frame or without.
    assert!(socket.read().map_or(true, |message| message.is_close()));
}
