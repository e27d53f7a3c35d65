//! A run of the job `serves`, and what is asked of it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chutes::Outcome;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Finished, Running, Sandbox, start, wait_until};

/// Whatever takes longer hangs.
pub(super) const DEADLINE: Duration = Duration::from_secs(50);

/// A run of `serves` that goes on.
pub(super) struct Server {
    // The run uses the folder, so it ends first.
    pub(super) running: Running,
    pub(super) sandbox: Sandbox,
}

impl Server {
    /// Starts the job with more arguments, which are separated by blanks.
    pub(super) fn start(arguments: &str) -> Self {
        Self::start_in(Sandbox::new(), arguments)
    }

    pub(super) fn start_in(sandbox: Sandbox, arguments: &str) -> Self {
        let arguments = format!("run serves --run-dir run --json --events events {arguments}");
        let words: Vec<&str> = arguments.split_whitespace().collect();
        Self { running: start(sandbox.command(&words)), sandbox }
    }

    /// Starts the job with a spec: these fields, and the job.
    pub(super) fn of_spec(mut spec: Value, arguments: &str) -> Self {
        let sandbox = Sandbox::new();
        spec["job"] = "serves".into();
        std::fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
        let arguments =
            format!("run serves --spec spec.json --run-dir run --json --events events {arguments}");
        let words: Vec<&str> = arguments.split_whitespace().collect();
        Self { running: start(sandbox.command(&words)), sandbox }
    }

    /// The path of something in the directory of the run.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path("run").join(name)
    }

    pub(super) fn events(&self) -> Vec<Value> {
        events(&self.sandbox.path("events"))
    }

    /// Waits for an event of this name with this field.
    #[track_caller]
    pub(super) fn wait_for(&self, name: &str, field: &str, value: &str) -> Value {
        wait_for_event(&self.sandbox.path("events"), name, field, value)
    }

    /// Waits until a port is ready. Returns its address.
    #[track_caller]
    pub(super) fn ready(&self, port: &str) -> SocketAddr {
        self.wait_for("port_ready", "name", port)["address"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until a port has its address, which the job may not have opened yet.
    #[track_caller]
    pub(super) fn address(&self, port: &str) -> SocketAddr {
        self.wait_for("port", "name", port)["address"].as_str().unwrap().parse().unwrap()
    }

    /// Tells the run to stop, and waits for its end.
    #[track_caller]
    pub(super) fn cancel(self) -> (Outcome, Ended) {
        self.running.signal(Signal::TERM);
        let ended = self.finish();
        assert_eq!(ended.0.status().to_string(), "cancelled", "{ended:#?}");
        ended
    }

    #[track_caller]
    pub(super) fn finish(self) -> (Outcome, Ended) {
        let Self { running, sandbox } = self;
        let finished = running.finish();
        (finished.outcome(), Ended { finished, sandbox })
    }
}

/// A run that has ended, and its folder.
pub(super) struct Ended {
    pub(super) finished: Finished,
    pub(super) sandbox: Sandbox,
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.finished.fmt(f)
    }
}

/// The complete lines of a file with events; none while there is no such file.
pub(super) fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The events of this name.
pub(super) fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

/// Waits for an event of this name with this field. Any value will do if it is empty.
#[track_caller]
pub(super) fn wait_for_event(path: &Path, name: &str, field: &str, value: &str) -> Value {
    let mut found = None;
    let is_it =
        |event: &Value| event["event"] == name && (value.is_empty() || event[field] == value);
    wait_until(&format!("the event `{name}` {value}"), || {
        let events = events(path);
        found = events.iter().find(|event| is_it(event)).cloned();
        let has_ended = events.iter().any(|event| event["event"] == "outcome");
        assert!(found.is_some() || !has_ended, "the run has ended: {events:#?}");
        found.is_some()
    });
    found.unwrap()
}

#[track_caller]
pub(super) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// One request over HTTP without encryption. Returns the status and the body.
#[track_caller]
pub(super) fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = connect(address);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// What goes out over TCP comes back.
#[track_caller]
pub(super) fn check_echo(address: SocketAddr) {
    let mut stream = connect(address);
    stream.write_all(b"over there").unwrap();
    let mut back = [0; 10];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"over there");
}

/// A datagram comes back.
#[track_caller]
pub(super) fn check_beacon(address: SocketAddr) {
    let socket = UdpSocket::bind((address.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"who is there", address).unwrap();
    let mut back = [0; 100];
    assert_eq!(socket.recv_from(&mut back).unwrap(), (12, address));
    assert_eq!(&back[..12], b"who is there");
}

/// A number that nothing has at this address.
pub(super) fn free_number(host: &str) -> u16 {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port()
}

/// Nobody has any of these ports, neither for TCP nor for UDP.
#[track_caller]
pub(super) fn check_free(addresses: &[SocketAddr]) {
    for address in addresses {
        let refused = TcpStream::connect_timeout(address, DEADLINE).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{address}");
        drop(TcpListener::bind(address).unwrap());
        drop(UdpSocket::bind(address).unwrap());
    }
}
