//! Which keys may log in, and what is reported about attempts.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use chutes::event::RunEvent;
use chutes::outcome::FailureKind;
use chutes_test_support::clients::ssh::{SshRun, make_key, public_key, write_configuration};
use chutes_test_support::events::reported;
use chutes_test_support::{Sandbox, finish, own_address, wait_until};
use serde_json::json;

use super::ssh::serve_job;
use crate::programs::new_sandbox;

const ENDS: &str = r#"{"way": "ends"}"#;

/// `offers_ssh` with these arguments besides.
fn command(sandbox: &Sandbox, arguments: &[&str]) -> Command {
    let words = "run offers_ssh --run-dir run --json --events events --publish ssh:0";
    let words: Vec<_> = words.split_whitespace().chain(arguments.iter().copied()).collect();
    sandbox.command(&words)
}

/// The host key is the reported one, in the text for people and in the event.
#[test]
fn host_key() {
    let mut served = serve_job("ends", "");
    let endpoint = served.endpoint.clone();
    served.running.wait_for(&endpoint.command);
    served.running.wait_for(&endpoint.fingerprint);
    served.running.wait_for(&endpoint.known_hosts);
    let address = endpoint.address;
    assert_eq!(address.ip().to_string(), own_address());
    let port = address.port().to_string();
    let scan = ["ssh-keyscan", "-T", "20", "-p", &port, &address.ip().to_string()];
    let scanned = finish(served.sandbox.program(&scan));
    assert_eq!(scanned.stdout.trim(), endpoint.known_hosts, "{scanned:#?}");
    let shown = ["ssh-keygen", "-l", "-f", "known_hosts"];
    let shown = finish(served.sandbox.program(&shown));
    assert!(shown.stdout.contains(&endpoint.fingerprint), "{shown:#?}");
    // Another host key is noticed.
    make_key(&served.sandbox, "other", "ed25519");
    let (name, _) = endpoint.known_hosts.split_once(' ').unwrap();
    let line = format!("{name} {}\n", public_key(&served.sandbox, "other"));
    std::fs::write(served.sandbox.path("known_hosts"), line).unwrap();
    let refused = served.ssh(&["run", "true"]);
    assert_eq!(refused.code, Some(255), "{refused:#?}");
    assert!(refused.stderr.contains("verification failed"), "{refused:#?}");
}

/// Asks the supervisor by the control socket. Returns its answer.
fn ask(served: &SshRun, request: &serde_json::Value) -> String {
    let mut stream = UnixStream::connect(served.path("control.sock")).unwrap();
    stream.write_all(format!("{request}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer
}

/// The owner lets another key in while the run goes on, and out again.
#[test]
fn keys_of_a_run_in_progress() {
    let served = serve_job("ends", "");
    make_key(&served.sandbox, "other", "ed25519");
    let key = public_key(&served.sandbox, "other");
    write_configuration(&served.sandbox, &served.endpoint, "other");
    let logs_in = || served.ssh(&["run", "true"]).code == Some(0);
    let change = |how: &str, keys: &[&str]| {
        let mut request = json!({ "version": 1 });
        request[how] = json!({ "keys": keys });
        ask(&served, &request)
    };
    assert!(!logs_in());
    assert!(change("add_keys", &["ssh-dss AAAA"]).contains("refused"));
    assert_eq!(change("add_keys", &[&key]), "{\"version\":1,\"done\":{}}\n");
    assert!(logs_in());
    assert_eq!(change("remove_keys", &[&key]), "{\"version\":1,\"done\":{}}\n");
    assert!(!logs_in());
    let changes = served.events().into_iter().filter_map(|event| match event {
        RunEvent::SshKeys { added, removed } => Some((added.len(), removed.len())),
        _ => None,
    });
    assert!(changes.eq([(1, 0), (0, 1)]));
}

/// The printed command can be pasted.
#[test]
fn the_printed_command_works() {
    let served = serve_job("ends", "");
    let line = format!("{} -F config -T 'echo it is $((6 * 7))'", served.endpoint.command);
    let finished = finish(served.sandbox.program(&["sh", "-c", &line]));
    assert_eq!((finished.code, &*finished.stdout), (Some(0), "it is 42\n"), "{finished:#?}");
}

/// Every supported kind of key, several at once, from all sources of keys.
#[test]
fn kinds_of_keys() {
    let sandbox = new_sandbox();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        make_key(&sandbox, kind, kind);
    }
    make_key(&sandbox, "of_data", "ed25519");
    let two = format!(
        "# the first two\n\n{}\n{}\n",
        public_key(&sandbox, "ed25519"),
        public_key(&sandbox, "ecdsa")
    );
    std::fs::write(sandbox.path("two.pub"), two).unwrap();
    let rsa = public_key(&sandbox, "rsa");
    let data = serde_json::json!({
        "way": "ends",
        "_ssh_public_key": public_key(&sandbox, "of_data"),
    });
    let data = data.to_string();
    let keys = ["--data", &data, "--ssh-public-key", "@two.pub", "--ssh-public-key", &rsa];
    let command = command(&sandbox, &keys);
    let served = SshRun::begin(sandbox, command, "ready");
    for key in ["ed25519", "ecdsa", "rsa", "of_data"] {
        write_configuration(&served.sandbox, &served.endpoint, key);
        assert_eq!(served.printed("echo welcome"), "welcome\n", "{key}");
    }
    // The events name the keys.
    let logins = || {
        let is_login = |event: &RunEvent| matches!(event, RunEvent::SshLogin { .. });
        served.events().into_iter().filter(is_login).collect::<Vec<_>>()
    };
    wait_until("four logins are reported", || logins().len() == 4);
    let shown = finish(served.sandbox.program(&["ssh-keygen", "-l", "-f", "ecdsa.pub"])).stdout;
    let RunEvent::SshLogin { peer, user, key } = &logins()[1] else { unreachable!() };
    assert!(shown.contains(key.as_str()) && user == "job", "{shown} {user} {key}");
    assert!(peer.ip().is_loopback());
}

/// A client without a key of the run is refused, is reported, and does not affect others.
#[test]
fn others_are_refused() {
    let served = serve_job("ends", "");
    make_key(&served.sandbox, "stranger", "ed25519");
    let password = ["-o", "PreferredAuthentications=password,keyboard-interactive"];
    let ways: [(&str, &[&str]); 3] = [("stranger", &[]), ("none", &[]), ("none", &password)];
    for (key, options) in ways {
        write_configuration(&served.sandbox, &served.endpoint, key);
        let finished = served.ssh(&[options, &["run", "touch outputs/entered"]].concat());
        assert_eq!(finished.code, Some(255), "{key}: {finished:#?}");
        assert!(finished.stderr.contains("Permission denied (publickey)"), "{key}: {finished:#?}");
    }
    let is_refused = |event: &RunEvent| matches!(event, RunEvent::SshRefused { .. });
    wait_until("all are reported", || {
        served.events().iter().filter(|event| is_refused(event)).count() >= 3
    });
    write_configuration(&served.sandbox, &served.endpoint, "key");
    assert_eq!(served.printed("ls outputs"), "begun.txt\n");
}

/// Without a key the port is not even opened, and the run continues.
#[test]
fn without_a_key() {
    let sandbox = new_sandbox();
    let mut running = chutes_test_support::start(command(&sandbox, &["--data", ENDS]));
    running.wait_for("ready");
    running.wait_for("ssh: the port stays closed: no public key was given");
    wait_until("it is reported", || {
        let events = reported(&sandbox.path("events"));
        events.iter().any(|event| matches!(event, RunEvent::SshClosed { .. }))
    });
    let is_open = |event: &RunEvent| matches!(event, RunEvent::Ssh(_) | RunEvent::Port(_));
    assert!(!reported(&sandbox.path("events")).iter().any(is_open));
    std::fs::write(sandbox.path("run/scratch/go"), "").unwrap();
    let finished = running.finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.outcome().endpoints.ssh, None);
}

/// A private key that is passed by mistake is shown nowhere.
#[test]
fn keys_that_are_none() {
    let sandbox = new_sandbox();
    make_key(&sandbox, "key", "ed25519");
    let private = std::fs::read_to_string(sandbox.path("key")).unwrap();
    let secret = private.lines().nth(2).unwrap();
    let restricted = format!("command=\"ls\" {}", public_key(&sandbox, "key"));
    std::fs::write(sandbox.path("restricted.pub"), restricted).unwrap();
    std::fs::write(sandbox.path("nonsense.pub"), "ssh-ed25519 AAAAnonsense me\n").unwrap();
    for (given, message) in [
        ("@key", "is a private key"),
        ("@nonsense.pub", "is damaged"),
        ("@restricted.pub", "begins with options (`command`)"),
        ("@missing.pub", "cannot read public keys from `missing.pub`"),
        (secret, "is no public key"),
    ] {
        let finished = finish(command(&sandbox, &["--data", ENDS, "--ssh-public-key", given]));
        assert_eq!(finished.code, Some(2), "{given}: {finished:#?}");
        assert!(finished.errors()[0].contains(message), "{given}: {finished:#?}");
        assert!(!finished.stderr.contains(secret) && !finished.stdout.contains(secret));
        assert!(!sandbox.path("run").exists(), "{given}");
    }
    // In the data it is found only when the run begins.
    let data = serde_json::json!({"way": "ends", "_ssh_public_key": private}).to_string();
    let arguments = ["run", "offers_ssh", "--data", &data, "--publish", "ssh:0", "--json"];
    let finished = finish(sandbox.command(&[&arguments[..], &["--run-dir", "run"]].concat()));
    let failure = finished.outcome().ending.failure().cloned().unwrap();
    assert_eq!(failure.kind, FailureKind::InvalidSpec, "{failure:?}");
    assert!(failure.message.contains("is a private key"), "{failure:?}");
    assert!(!finished.stderr.contains(secret), "{finished:#?}");
}

/// A key for a job without SSH is a mistake.
#[test]
fn job_without_ssh() {
    let sandbox = new_sandbox();
    make_key(&sandbox, "key", "ed25519");
    let finished = sandbox.run("run fails --ssh-public-key @key.pub");
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert!(finished.stderr.contains("add `ssh = true` to its `#[job(...)]`"), "{finished:#?}");
    assert!(!sandbox.path("runs").exists());
}

/// Neither the keys of clients nor the host key need a file.
#[test]
fn no_key_is_on_disk() {
    let served = serve_job("ends", "");
    served.printed("true");
    served.go();
    let (sandbox, finished) = served.end();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    std::fs::remove_file(sandbox.path("key")).unwrap();
    let found = finish(sandbox.program(&["grep", "-rlE", "PRIVATE KEY|openssh-key", "."]));
    assert_eq!((found.code, &*found.stdout), (Some(1), ""), "{found:#?}");
}
