//! Events in JSON.

use super::*;
use crate::{DeliveryState, Port, Protocol};

#[track_caller]
fn check(what: RunEvent, expected: &str) {
    let event = Event { seq: Some(7), at: "2026-11-22T01:02:03Z".into(), what };
    let text = serde_json::to_string(&event).unwrap();
    let expected = format!(r#"{{"seq":7,"at":"2026-11-22T01:02:03Z",{expected}}}"#);
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
}

#[test]
fn json_form() {
    let status = Status::Accepted;
    check(RunEvent::Status { status }, r#""event":"status","status":"accepted""#);
    let limit = Some(Duration::from_secs(90));
    check(
        RunEvent::Phase { phase: Phase::Execute, limit },
        r#""event":"phase","phase":"execute","limit_seconds":90"#,
    );
    check(
        RunEvent::Progress(Progress::new(0.5, "half")),
        r#""event":"progress","fraction":0.5,"message":"half""#,
    );
    check(
        RunEvent::Log { stream: LogStream::Stderr, line: "oh".into() },
        r#""event":"log","stream":"stderr","line":"oh""#,
    );
    check(
        RunEvent::Outcome { outcome: Box::new(outcome()) },
        &format!(r#""event":"outcome","outcome":{}"#, serde_json::to_string(&outcome()).unwrap()),
    );
    let state = DeliveryState::Failed { reason: "403".into() };
    check(
        RunEvent::File {
            kind: FileKind::Output,
            path: OutputPath::new(*b"a\xff").unwrap(),
            delivery: Delivery { sink: "/backup".into(), state },
        },
        concat!(
            r#""event":"file","kind":"output","path":"a%FF","path_encoding":"percent","#,
            r#""sink":"/backup","state":"failed","reason":"403""#,
        ),
    );
}

#[test]
fn json_form_of_steps() {
    let (elapsed, limit) = (Duration::from_millis(1_500), None);
    check(
        RunEvent::PhaseEnded(PhaseReport { phase: Phase::Start, elapsed, limit }),
        r#""event":"phase_ended","name":"start","seconds":1.5,"limit_seconds":null"#,
    );
    check(
        RunEvent::Hooks { startup: vec!["connect".into()], shutdown: Vec::new() },
        r#""event":"hooks","startup":["connect"],"shutdown":[]"#,
    );
    check(
        RunEvent::Execution(Ending::Completed),
        r#""event":"execution","status":"completed","failure":null"#,
    );
    check(RunEvent::Collected, r#""event":"collected""#);
    check(RunEvent::Recovered, r#""event":"recovered""#);
}

#[test]
fn what_is_no_fact_has_no_number() {
    let event = Event { seq: None, at: "now".into(), what: RunEvent::Missed { events: 3 } };
    let text = r#"{"at":"now","event":"missed","events":3}"#;
    assert_eq!(serde_json::to_string(&event).unwrap(), text);
    assert_eq!(serde_json::from_str::<Event>(text).unwrap(), event);
}

#[test]
fn json_form_of_usage() {
    let cpu = Duration::from_millis(1_500);
    check(
        RunEvent::Usage(Usage { cpu, ..Usage::default() }),
        r#""event":"usage","cpu_seconds":1.5"#,
    );
    check(
        RunEvent::Usage(Usage {
            cpu,
            memory: Some(1 << 40),
            peak_memory: Some(u64::MAX),
            processes: Some(3),
            read: Some(0),
            written: Some(4_096),
        }),
        concat!(
            r#""event":"usage","cpu_seconds":1.5,"memory_bytes":1099511627776,"#,
            r#""peak_memory_bytes":18446744073709551615,"processes":3,"read_bytes":0,"#,
            r#""written_bytes":4096"#,
        ),
    );
}

fn web() -> PortAddress {
    let port = Port::new("web", 8080, Protocol::Http).unwrap().with_ready("/health").unwrap();
    PortAddress { port, address: "127.0.0.1:18080".parse().unwrap() }
}

fn ssh() -> SshEndpoint {
    SshEndpoint {
        address: "[::1]:2202".parse().unwrap(),
        fingerprint: "SHA256:AAAA".into(),
        known_hosts: "[host.test]:2202 ssh-ed25519 AAAA".into(),
        command: "ssh -p 2202 host.test".into(),
    }
}

#[test]
fn json_form_of_ports() {
    check(
        RunEvent::Port(web()),
        concat!(
            r#""event":"port","name":"web","port":8080,"proto":"http","ready":"/health","#,
            r#""address":"127.0.0.1:18080""#,
        ),
    );
    let shell = PortAddress { port: Port::ssh(), address: "[::]:0".parse().unwrap() };
    check(
        RunEvent::Port(shell),
        r#""event":"port","name":"ssh","port":2202,"proto":"tcp","address":"[::]:0""#,
    );
    check(
        RunEvent::PortReady { name: web().port.name().clone(), address: web().address },
        r#""event":"port_ready","name":"web","address":"127.0.0.1:18080""#,
    );
    let endpoint = StreamingEndpoint {
        host: "host.test".into(),
        port: 18_443,
        certificate: "-----BEGIN CERTIFICATE-----\n".into(),
    };
    check(
        RunEvent::Streaming(endpoint),
        concat!(
            r#""event":"streaming","host":"host.test","port":18443,"#,
            r#""certificate":"-----BEGIN CERTIFICATE-----\n""#,
        ),
    );
}

#[test]
fn json_form_of_ssh() {
    check(
        RunEvent::Ssh(ssh()),
        concat!(
            r#""event":"ssh","address":"[::1]:2202","fingerprint":"SHA256:AAAA","#,
            r#""known_hosts":"[host.test]:2202 ssh-ed25519 AAAA","command":"ssh -p 2202 host.test""#,
        ),
    );
    let peer = "192.0.2.7:40000".parse().unwrap();
    check(
        RunEvent::SshLogin { peer, user: "root".into(), key: "SHA256:BBBB".into() },
        r#""event":"ssh_login","peer":"192.0.2.7:40000","user":"root","key":"SHA256:BBBB""#,
    );
    check(
        RunEvent::SshRefused { peer, reason: "no key is known".into() },
        r#""event":"ssh_refused","peer":"192.0.2.7:40000","reason":"no key is known""#,
    );
    check(RunEvent::SshLogout { peer }, r#""event":"ssh_logout","peer":"192.0.2.7:40000""#);
}

#[test]
fn what_is_no_event() {
    for bad in [
        r#""event":"port","name":"web","port":0,"proto":"http","address":"127.0.0.1:1""#,
        r#""event":"port","name":"db","port":1,"proto":"tcp","ready":"/","address":"127.0.0.1:1""#,
        r#""event":"port","name":"db","port":1,"proto":"tcp""#,
        r#""event":"port_ready","name":"web","address":"localhost:80""#,
        r#""event":"ssh_login","peer":"192.0.2.7","user":"root","key":"SHA256:BBBB""#,
    ] {
        let text = format!(r#"{{"seq":7,"at":"2026-11-22T01:02:03Z",{bad}}}"#);
        assert!(serde_json::from_str::<Event>(&text).is_err(), "{text}");
    }
}

fn outcome() -> Outcome {
    Outcome {
        run_id: RunId::from_bytes([7; 16]),
        target: crate::Target::Job(crate::JobName::from_static("train")),
        ending: crate::Ending::Completed,
        result: Some(crate::Json::parse(r#"{"loss":1.10}"#).unwrap()),
        phases: Vec::new(),
        outputs: Vec::new(),
        logs: Vec::new(),
        artifacts: Vec::new(),
        sinks: Vec::new(),
        warnings: Vec::new(),
        endpoints: crate::Endpoints::default(),
        usage: None,
        run_dir: "/runs/train".into(),
    }
}
