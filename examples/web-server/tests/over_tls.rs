//! Sends requests over TLS. Without the feature `streaming` there is no TLS front.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod program;

use std::io::{BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use tungstenite::{Message, WebSocket};

use self::program::{PATIENCE, connect, own_address, start, wait_for_line};

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
