//! SSH into a container, with an image that is not prepared for it and without a network.

use std::io::Write;

use chutes_test_support::clients::ssh::{SshRun, make_key, public_key};
use chutes_test_support::containers::{Engine, image};
use chutes_test_support::record::collected;
use chutes_test_support::{finish, start, wait_until};
use serde_json::{Value, json};

use crate::stage::{Stage, inline, shell, with};

/// Serves on a port that is not reachable from outside, and waits for the file `go`.
const SERVES: &str = "mkdir /tmp/web; echo from inside > /tmp/web/page; \
    httpd -p 127.0.0.1:8080 -h /tmp/web; touch /output/begun; \
    while [ ! -e /output/go ]; do sleep 0.1; done; rm /output/go";

/// Runs a spec with an SSH server. The engine has to outlive the run.
fn serve(spec: &Value) -> (Engine, SshRun) {
    let stage = Stage::new();
    make_key(&stage.sandbox, "key", "ed25519");
    let keys = [public_key(&stage.sandbox, "key")];
    let mut command = stage.command(&with(spec.clone(), json!({"ssh": {"public_keys": keys}})));
    command.args(["--publish", "ssh:0"]);
    let Stage { engine, sandbox } = stage;
    (engine, SshRun::begin(sandbox, command, "its host key is"))
}

/// The same with the web server inside, when it serves.
fn serve_page(more: Value) -> (Engine, SshRun) {
    let (engine, served) = serve(&with(shell(SERVES), more));
    wait_until("it serves", || served.path("outputs/begun").exists());
    (engine, served)
}

/// Lets the run end, and checks that there is no container any more.
#[track_caller]
fn end(engine: &Engine, served: SshRun, files: &[&str]) {
    std::fs::write(served.path("outputs/go"), "").unwrap();
    let (_sandbox, finished) = served.end();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(collected(&finished.outcome()), files, "{finished:#?}");
    assert_eq!(engine.containers(), [""; 0]);
}

#[test]
fn session_lands_inside() {
    let (engine, served) = serve_page(json!({"env": {"GREETING": "hello"}}));
    assert_eq!(served.printed("cat /seed.sh | head -n 1; ls /sys/class/net"), "#!/bin/sh\nlo\n");
    assert_eq!(served.printed("echo $GREETING; cat /tmp/web/page"), "hello\nfrom inside\n");
    let here = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_ne!(served.printed("cat /proc/sys/kernel/hostname"), here);
    // Some processes end while they are listed.
    let seen = served.printed("cat /proc/*/cmdline 2>/dev/null || true");
    assert!(seen.contains("httpd") && !seen.contains("chutes"), "{seen}");
    let status = served.printed("grep CapEff /proc/self/status");
    assert!(status.contains("0000000000000000"), "{status}");

    let mut command = served.program("ssh", &["run", "cat; echo err >&2; exit 6"]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    command.stdin(reader);
    let session = start(command);
    writer.write_all(b"in\n").unwrap();
    drop(writer);
    let finished = session.finish();
    assert_eq!((finished.code, &*finished.stdout), (Some(6), "in\n"), "{finished:#?}");
    assert_eq!(finished.stderr, "err\n");

    let (mut shell, mut keyboard) = served.start_ssh(&["-tt", "run"]);
    keyboard.write_all(b"echo it is $((6 * 7)); tty\n").unwrap();
    shell.wait_for("it is 42");
    keyboard.write_all(b"exit 5\n").unwrap();
    let finished = shell.finish();
    assert_eq!(finished.code, Some(5), "{finished:#?}");
    let (mut session, mut keyboard) = served.start_ssh(&["-tt", "run", "echo waits; sleep 1000"]);
    session.wait_for("waits");
    keyboard.write_all(b"\x03").unwrap();
    assert_ne!(session.finish().code, Some(0));
    end(&engine, served, &["begun"]);
}

/// SFTP shows the folders that the container shares with this machine, and nothing else.
#[test]
fn files() {
    let volumes = json!({"input_volumes": {"/volume": inline(&[("given.txt", b"given")])}});
    let (engine, served) = serve_page(volumes);
    std::fs::write(served.sandbox.path("local.txt"), "of the client").unwrap();
    let batch = "cd /output\nput local.txt by-sftp.txt\nget /volume/given.txt\n-put local.txt \
        /volume/other.txt\n-rm /volume/given.txt\n-get /etc/passwd\nls -1 /\n";
    std::fs::write(served.sandbox.path("batch"), batch).unwrap();
    let finished = finish(served.program("sftp", &["-b", "batch", "run"]));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(finished.stdout.ends_with("/output\n/volume\n"), "{finished:#?}");
    assert_eq!(std::fs::read(served.sandbox.path("given.txt")).unwrap(), b"given");
    assert_eq!(std::fs::read(served.path("inputs/given.txt")).unwrap(), b"given");
    assert!(!served.path("inputs/other.txt").exists() && !served.sandbox.path("passwd").exists());
    served.copy("run:/output/by-sftp.txt", "back.txt");
    assert_eq!(std::fs::read(served.sandbox.path("back.txt")).unwrap(), b"of the client");
    assert_eq!(served.printed("cat /output/by-sftp.txt"), "of the client");
    end(&engine, served, &["begun", "by-sftp.txt"]);
}

/// A port inside of a container that has no network.
#[test]
fn forwarding() {
    let (engine, served) = serve_page(json!({}));
    let mut command = served.program("ssh", &["-W", "127.0.0.1:8080", "run"]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    command.stdin(reader);
    let client = start(command);
    writer.write_all(b"GET /page HTTP/1.0\r\n\r\n").unwrap();
    let finished = client.finish();
    assert!(finished.stdout.ends_with("\r\n\r\nfrom inside\n"), "{finished:#?}");
    drop(writer);
    let elsewhere = ["-o", "LogLevel=INFO", "-W", "192.0.2.1:80", "run"];
    let finished = served.ssh(&elsewhere);
    assert!(finished.stderr.contains("prohibited"), "{finished:#?}");
    end(&engine, served, &["begun"]);
}

/// Sessions end with their container.
#[test]
fn session_ends_with_the_run() {
    let (engine, served) = serve_page(json!({}));
    let stubborn = "trap '' HUP TERM; while :; do echo x >> /output/growing; sleep 0.05; done";
    let sessions = [["-tt", "run", stubborn], ["-T", "run", stubborn]];
    let sessions = sessions.map(|words| start(served.program("ssh", &words)));
    let left = served.ssh(&["run", "setsid nohup sleep 1000 >/dev/null 2>&1 &"]);
    assert_eq!(left.code, Some(0), "{left:#?}");
    wait_until("it writes", || served.path("outputs/growing").exists());
    end(&engine, served, &["begun", "growing"]);
    for session in sessions {
        assert_ne!(session.finish().code, Some(0));
    }
}

/// An image without a shell has no commands, but its files are there.
#[test]
fn image_without_a_shell() {
    let (engine, served) = serve(&json!({"image": image::NO_SHELL, "args": ["sleep", "1000"]}));
    wait_until("it runs", || engine.containers().len() == 1);
    wait_until("it is reported", || {
        let finished = served.ssh(&["run", "echo entered"]);
        assert_eq!(finished.stdout, "");
        finished.code == Some(127) && finished.stderr.contains("has no /bin/sh")
    });
    std::fs::write(served.sandbox.path("local.txt"), "of the client").unwrap();
    served.copy("local.txt", "run:/output/copied.txt");
    let (_sandbox, finished) = served.cancel();
    assert_eq!(collected(&finished.outcome()), ["copied.txt"], "{finished:#?}");
    assert_eq!(engine.containers(), [""; 0]);
}
