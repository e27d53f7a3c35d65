//! Outcomes in JSON, and their exit codes.

use std::time::Duration;

use super::*;
use crate::{Port, PortAddress, Protocol, SshEndpoint, StreamingEndpoint};

fn outcome(ending: Ending) -> Outcome {
    let execute = PhaseReport {
        phase: Phase::Execute,
        elapsed: Duration::from_millis(1_500),
        limit: Some(Duration::from_mins(1)),
    };
    Outcome {
        run_id: RunId::from_bytes([7; 16]),
        target: Target::Job(crate::JobName::from_static("train")),
        ending,
        result: Some(Json::parse("{\"loss\":0.5}").unwrap()),
        phases: vec![execute],
        outputs: Vec::new(),
        logs: Vec::new(),
        artifacts: Vec::new(),
        sinks: Vec::new(),
        warnings: Vec::new(),
        endpoints: Endpoints::default(),
        usage: None,
        run_dir: "runs/train-07070707".into(),
    }
}

fn failure(kind: FailureKind) -> Failure {
    Failure::new(kind, "it went wrong").in_phase(Phase::Execute)
}

#[test]
fn json_form() {
    let outcome = outcome(Ending::Failed(failure(FailureKind::JobError)));
    let text = serde_json::to_string(&outcome).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"run_id":"07070707-0707-0707-0707-070707070707","job":"train","#,
            r#""status":"failed","result":{"loss":0.5},"#,
            r#""failure":{"kind":"job_error","message":"it went wrong","phase":"execute","#,
            r#""location":null,"causes":[]},"#,
            r#""phases":[{"name":"execute","seconds":1.5,"limit_seconds":60}],"#,
            r#""exit_code":1,"outputs":[],"logs":[],"sinks":[],"warnings":[],"run_dir":"runs/train-07070707"}"#,
        )
    );
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}

/// Journals of version 0.1.0 have another name for it.
#[test]
fn the_former_name_of_a_failure_of_the_platform_is_read() {
    let outcome = outcome(Ending::PlatformFailed(failure(FailureKind::Platform)));
    let text = serde_json::to_string(&outcome).unwrap();
    assert!(text.contains(r#""status":"platform_failed""#), "{text}");
    let former = text.replace("platform_failed", "horde_failed");
    assert_eq!(serde_json::from_str::<Outcome>(&former).unwrap(), outcome);
    let ending = serde_json::to_string(&outcome.ending).unwrap();
    let former = ending.replace("platform_failed", "horde_failed");
    assert_ne!(former, ending);
    assert_eq!(serde_json::from_str::<Ending>(&former).unwrap(), outcome.ending);
    let status = serde_json::from_str::<crate::Status>(r#""horde_failed""#).unwrap();
    assert_eq!(status, crate::Status::PlatformFailed);
    assert_eq!(serde_json::to_string(&status).unwrap(), r#""platform_failed""#);
}

fn endpoints() -> Endpoints {
    let web = Port::new("web", 8080, Protocol::Http).unwrap().with_ready("/health").unwrap();
    let at = |port, address: &str| PortAddress { port, address: address.parse().unwrap() };
    Endpoints {
        ports: vec![at(web, "127.0.0.1:18080"), at(Port::ssh(), "127.0.0.1:2202")],
        ssh: Some(SshEndpoint {
            address: "127.0.0.1:2202".parse().unwrap(),
            fingerprint: "SHA256:AAAA".into(),
            known_hosts: "[host.test]:2202 ssh-ed25519 AAAA".into(),
            command: "ssh -p 2202 host.test".into(),
        }),
        streaming: Some(StreamingEndpoint {
            host: "host.test".into(),
            port: 18_443,
            certificate: "PEM".into(),
        }),
    }
}

/// They stand beside the other fields, between the warnings and the directory.
#[track_caller]
fn check_endpoints(endpoints: Endpoints, expected: &str) {
    let outcome = Outcome { endpoints, ..outcome(Ending::Completed) };
    let text = serde_json::to_string(&outcome).unwrap();
    let (_, after) = text.split_once(r#""warnings":[],"#).unwrap();
    assert_eq!(after, format!(r#"{expected}"run_dir":"runs/train-07070707"}}"#));
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
    // By way of a value, as a service keeps it, whose keys may come in another order.
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let again: Outcome = serde_json::from_str(&value.to_string()).unwrap();
    assert_eq!(again.endpoints, outcome.endpoints);
}

#[test]
fn where_it_could_be_reached() {
    let ports = concat!(
        r#""ports":[{"name":"web","port":8080,"proto":"http","ready":"/health","#,
        r#""address":"127.0.0.1:18080"},"#,
        r#"{"name":"ssh","port":2202,"proto":"tcp","address":"127.0.0.1:2202"}],"#,
    );
    let ssh = concat!(
        r#""ssh":{"address":"127.0.0.1:2202","fingerprint":"SHA256:AAAA","#,
        r#""known_hosts":"[host.test]:2202 ssh-ed25519 AAAA","command":"ssh -p 2202 host.test"},"#,
    );
    let streaming = r#""streaming":{"host":"host.test","port":18443,"certificate":"PEM"},"#;
    check_endpoints(Endpoints::default(), "");
    check_endpoints(Endpoints { ssh: None, streaming: None, ..endpoints() }, ports);
    check_endpoints(Endpoints { ports: Vec::new(), streaming: None, ..endpoints() }, ssh);
    check_endpoints(endpoints(), &format!("{ports}{ssh}{streaming}"));
}

/// The result is a text of JSON, whose numbers must not change on the way through flattened fields.
#[test]
fn a_result_stays_as_it_was_written_beside_endpoints() {
    let result = Some(Json::parse(r#"{"z":1.10,"a":12345678901234567890123}"#).unwrap());
    let outcome = Outcome { result, endpoints: endpoints(), ..outcome(Ending::Completed) };
    let text = serde_json::to_string(&outcome).unwrap();
    assert!(text.contains(r#""result":{"z":1.10,"a":12345678901234567890123}"#), "{text}");
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}

#[test]
fn what_it_has_used() {
    let usage = Usage { cpu: Duration::from_millis(2_500), read: Some(9), ..Usage::default() };
    let outcome = Outcome { usage: Some(usage), ..outcome(Ending::Completed) };
    let text = serde_json::to_string(&outcome).unwrap();
    let expected = r#""warnings":[],"usage":{"cpu_seconds":2.5,"read_bytes":9},"run_dir":"#;
    assert!(text.contains(expected), "{text}");
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}

/// As it was written before there were artifacts, logs, sinks, endpoints and usage.
#[test]
fn old_outcomes_are_read() {
    let text = concat!(
        r#"{"run_id":"07070707-0707-0707-0707-070707070707","job":"train","status":"completed","#,
        r#""result":{"loss":0.5},"failure":null,"#,
        r#""phases":[{"name":"execute","seconds":1.5,"limit_seconds":60}],"#,
        r#""exit_code":0,"outputs":[],"run_dir":"runs/train-07070707"}"#,
    );
    assert_eq!(serde_json::from_str::<Outcome>(text).unwrap(), outcome(Ending::Completed));
}

#[test]
fn exit_codes() {
    for (ending, expected) in [
        (Ending::Completed, 0),
        (Ending::Failed(failure(FailureKind::Panic)), 1),
        (Ending::Rejected(failure(FailureKind::InvalidData)), 2),
        (Ending::Failed(failure(FailureKind::OutputsIncomplete)), 3),
        (Ending::PlatformFailed(failure(FailureKind::Platform)), 4),
        (Ending::TimedOut(failure(FailureKind::TimeLimit)), 124),
        (Ending::Cancelled(failure(FailureKind::Cancelled)), 130),
    ] {
        assert_eq!(outcome(ending).exit_code().get(), expected);
    }
}

#[test]
fn endings_of_all_kinds() {
    use EndStatus::{Cancelled, Failed, PlatformFailed, Rejected, TimedOut};
    let expected = [
        ("invalid_data", Rejected, Failed),
        ("invalid_spec", Rejected, Failed),
        ("port_unavailable", Rejected, Failed),
        ("image_unavailable", Failed, Failed),
        ("download_failed", Failed, Failed),
        ("startup_failed", Failed, Failed),
        ("job_error", Failed, Failed),
        ("panic", Failed, Failed),
        ("invalid_result", Failed, Failed),
        ("exited", Failed, Failed),
        ("nonzero_return_code", Failed, Failed),
        ("aborted", Failed, Failed),
        ("crashed", Failed, Failed),
        ("stack_overflow", Failed, Failed),
        ("killed", Failed, Failed),
        ("out_of_memory", Failed, Failed),
        ("memory_limit", Failed, Failed),
        ("time_limit", TimedOut, TimedOut),
        ("cancelled", Cancelled, Cancelled),
        ("outputs_incomplete", Failed, Failed),
        ("upload_failed", Failed, Failed),
        ("supervisor_lost", PlatformFailed, PlatformFailed),
        ("platform", PlatformFailed, PlatformFailed),
    ];
    let status = |failure: &Failure, phase| {
        let failure = Failure { phase, ..failure.clone() };
        let ending = Ending::from_failure(failure.clone());
        assert_eq!(ending.failure(), Some(&failure));
        ending.status()
    };
    let found = FailureKind::ALL.iter().map(|kind| {
        let failure = failure(*kind);
        let at_start = status(&failure, Some(Phase::Start));
        assert_eq!(status(&failure, None), at_start);
        let later = [Phase::Download, Phase::StreamingStart, Phase::Execute, Phase::Upload]
            .map(|phase| status(&failure, Some(phase)));
        assert!(later.iter().all(|status| *status == later[0]), "{kind:?}: {later:?}");
        (kind.as_str(), at_start, later[0])
    });
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

/// Whatever a journal combines is kept: only what this program writes follows the rule.
#[test]
fn other_combinations_are_read_as_they_are() {
    for ending in [
        Ending::Rejected(failure(FailureKind::JobError)),
        Ending::Failed(failure(FailureKind::Platform)),
        Ending::Failed(failure(FailureKind::Cancelled)),
        Ending::PlatformFailed(failure(FailureKind::Panic)),
    ] {
        let text = serde_json::to_string(&ending).unwrap();
        assert_eq!(serde_json::from_str::<Ending>(&text).unwrap(), ending);
    }
}

#[test]
fn contradictions_are_refused() {
    let good = serde_json::to_string(&outcome(Ending::Completed)).unwrap();
    for (from, to) in [
        ("\"completed\"", "\"failed\""),
        ("\"exit_code\":0", "\"exit_code\":1"),
        ("\"failure\":null", "\"failure\":{\"kind\":\"panic\",\"message\":\"\"}"),
        ("\"completed\"", "\"sent\""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert!(serde_json::from_str::<Outcome>(&bad).is_err(), "{bad}");
    }
}
