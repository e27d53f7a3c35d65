//! Credentials in the addresses of sinks: only the sink and the owner of `sinks.json` see them.

use std::path::Path;
use std::process::Command;

use chutes_test_support::servers::refusing::RefusingServer;
use chutes_test_support::{Finished, Sandbox, finish};
use rustix::process::Signal;

use super::{PAUSE, marked, with_fault};
use crate::programs::new_sandbox;

const SECRETS: [&str; 5] = ["Passw0rd", "Signature1", "Token2", "Policy3", "Header4"];

/// Two sinks with a secret in every place that there is for one.
fn sinks(server: &RefusingServer) -> String {
    let host = server.address;
    let put = format!("part-0/0.txt=http://user:Passw0rd@{host}/put?X-Amz-Signature=Signature1");
    let post = format!(
        r#"{{"url": "http://{host}/post?token=Token2", "file": "part-1/1.txt", "method": "POST", "fields": {{"policy": "Policy3"}}, "headers": {{"authorization": "Bearer Header4"}}}}"#
    );
    format!("# where the files go\n{put}\n\n{post}\n")
}

#[track_caller]
fn check_hidden(what: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {what}: {text}");
    }
}

/// Everything that a run reports and keeps.
#[track_caller]
fn check_run(sandbox: &Sandbox, finished: &Finished) {
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    check_hidden("standard output", finished.stdout.as_bytes());
    check_hidden("standard error", finished.stderr.as_bytes());
    check_folder(&sandbox.path("run"));
}

#[track_caller]
fn check_folder(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_folder(&path);
        } else if path.file_name().unwrap() != "sinks.json" {
            check_hidden(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

/// What every user of the machine can see of the processes of a run, and what user code can see of
/// its own.
#[track_caller]
fn check_processes(sandbox: &Sandbox) {
    let processes = marked(sandbox);
    assert!(processes.iter().any(|(_, arguments)| arguments.contains("__worker")));
    for (pid, arguments) in processes {
        check_hidden("the arguments of a process", arguments.as_bytes());
        if arguments.contains("__worker") {
            let environment = format!("/proc/{}/environ", pid.as_raw_pid());
            check_hidden("the environment of user code", &std::fs::read(environment).unwrap());
        }
    }
}

/// Runs the job, looks at it while it runs, when it has ended, and when it is recovered.
#[track_caller]
fn check(server: &RefusingServer, configure: impl Fn(&Sandbox, &mut Command)) {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("sinks"), sinks(server)).unwrap();
    let run = ["run", "leaves_a_helper", "--set", "files=2", "--run-dir", "run"];
    let arguments = [&run[..], &["--events", "events", "--json"]].concat();
    let mut command = with_fault(&sandbox, &arguments, PAUSE, 7);
    configure(&sandbox, &mut command);
    let running = super::concurrent::stopped(chutes_test_support::start(command));
    check_processes(&sandbox);
    running.signal(Signal::CONT);
    let finished = running.finish();
    check_run(&sandbox, &finished);
    check_hidden("the events", &std::fs::read(sandbox.path("events")).unwrap());
    assert!(sandbox.path("run/sinks.json").exists());
    let recovered = finish(sandbox.command(&["recover", "run", "--json"]));
    check_run(&sandbox, &recovered);
}

#[test]
fn in_a_file() {
    let server = RefusingServer::start();
    check(&server, |_, command| {
        command.args(["--output", "@sinks"]);
    });
    // The sinks themselves have received them.
    let requests = server.requests().join("\n");
    for secret in ["Signature1", "Token2", "Header4"] {
        assert!(requests.contains(secret), "{requests}");
    }
}

#[test]
fn in_the_environment() {
    let server = RefusingServer::start();
    check(&server, |sandbox, command| {
        let text = std::fs::read_to_string(sandbox.path("sinks")).unwrap();
        let address = text.lines().find(|line| line.starts_with("part-0")).unwrap();
        command.env("CHUTES_OUTPUT", address);
    });
    assert!(server.requests().join("\n").contains("Signature1"));
}

/// An address that is wrong is not shown in full, either.
#[test]
fn in_an_address_that_is_wrong() {
    let sandbox = new_sandbox();
    for wrong in [
        "http://user:Passw0rd@127.0.0.1/put?X-Amz-Signature=Signature1",
        "a=http://user:Passw0rd@[/put?X-Amz-Signature=Signature1",
        "s3://user:Passw0rd@bucket/a?token=Token2",
        r#"{"url": "http://127.0.0.1/?token=Token2", "fields": {"policy": "Policy3"}}"#,
    ] {
        let mut command = sandbox.command(&["run", "echo", "--set", "epochs=1"]);
        let refused = finish({
            command.env("CHUTES_OUTPUT", wrong);
            command
        });
        assert!(matches!(refused.code, Some(2 | 4)), "{wrong}: {refused:#?}");
        check_hidden("standard error", refused.stderr.as_bytes());
    }
}
