//! Sessions: their streams, exit status and terminal, and their working directory.

use std::io::Write;
use std::os::fd::AsFd;

use chutes::event::RunEvent;
use chutes_test_support::clients::ssh::{OPEN, SshRun, make_key, type_line};
use chutes_test_support::machine::open_terminal;
use chutes_test_support::machine::processes_with;
use chutes_test_support::{finish, start, wait_until};
use rustix::process::{Signal, kill_process};
use rustix::termios::{Winsize, tcsetwinsize};

use super::ssh::serve_job;
use crate::programs::new_sandbox;

#[test]
fn streams_and_status() {
    let served = serve_job("ends", "");
    let script = "cat; echo to stdout; echo to stderr >&2; exit 3";
    let mut command = served.program("ssh", &["run", script]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    command.stdin(reader);
    let running = start(command);
    writer.write_all(b"given\n").unwrap();
    drop(writer);
    let finished = running.finish();
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    assert_eq!(finished.stdout, "given\nto stdout\n");
    assert_eq!(finished.stderr, "to stderr\n");
    for (script, code) in [("true", 0), ("exit 255", 255), ("no-such-program", 127)] {
        assert_eq!(served.ssh(&["run", script]).code, Some(code), "{script}");
    }
    // A process that a signal ends has no status, which `ssh` calls 255.
    let killed = served.ssh(&["run", "kill -TERM $$"]);
    assert_eq!(killed.code, Some(255), "{killed:#?}");
    // Bytes of all kinds arrive as they are, in both directions.
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
    std::fs::write(served.sandbox.path("content"), &content).unwrap();
    let line = "ssh -F config run 'tee outputs/content' < content > back && cmp content back";
    let finished = finish(served.sandbox.program(&["sh", "-c", line]));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(std::fs::read(served.path("outputs/content")).unwrap(), content);
}

/// A session has the directory and the environment of the job, but nothing of the supervisor.
#[test]
fn environment_and_directory() {
    let sandbox = new_sandbox();
    make_key(&sandbox, "key", "ed25519");
    let words = "run serves --publish web:0 --publish echo:0";
    let words: Vec<_> = words.split_whitespace().chain(OPEN.split_whitespace()).collect();
    let mut command = sandbox.command(&words);
    command.env("OF_THE_MACHINE", "seen").env("CHUTES_OUTPUT", sandbox.path("sink"));
    command.env("SHLVL", "7").env("OLDPWD", "/proc");
    command.env("CHUTES_STATUS_URL", "http://127.0.0.1:9/secret-token");
    let served = SshRun::begin(sandbox, command, "serving");
    let finished = served.ssh(&["run", "pwd; env; true"]);
    let directory = served.path(".").canonicalize().unwrap();
    let lines: Vec<_> = finished.stdout.lines().collect();
    assert_eq!(lines[0], directory.to_str().unwrap());
    let address = served.wait_for_event(|event| match event {
        RunEvent::Port(port) if port.port.name().as_str() == "web" => Some(port.address),
        _ => None,
    });
    let port = format!("CHUTES_PORT_TCP_8080={}", address.port());
    let home = format!("HOME={}", served.sandbox.home().display());
    for expected in ["OF_THE_MACHINE=seen", &port, &home] {
        assert!(lines.contains(&expected), "{expected}: {finished:#?}");
    }
    assert!(lines.iter().any(|line| line.starts_with("CHUTES_RUN_ID=")), "{finished:#?}");
    assert!(lines.iter().any(|line| line.starts_with("SSH_CLIENT=127.")), "{finished:#?}");
    for absent in ["CHUTES_OUTPUT", "CHUTES_STATUS_URL", "secret-token", "SHLVL=8", "OLDPWD=/proc"]
    {
        assert!(!finished.stdout.contains(absent), "{absent}: {finished:#?}");
    }
}

/// The variables that clients send for their language pass, others do not.
#[test]
fn variables_of_the_client() {
    let served = serve_job("ends", "");
    let words = ["-o", "SendEnv=LC_TEST LD_PRELOAD", "run", "echo $LC_TEST,$LD_PRELOAD,"];
    let mut command = served.program("ssh", &words);
    command.env("LC_TEST", "de").env("LD_PRELOAD", "");
    assert_eq!(finish(command).stdout, "de,,\n");
}

#[test]
fn shell_at_a_terminal() {
    let served = serve_job("ends", "");
    let (mut shell, mut keyboard) = served.start_ssh(&["-tt", "run"]);
    type_line(&mut keyboard, "stty -echo; tty; echo it is $((6 * 7)) in $PWD; ls outputs");
    shell.wait_for("it is 42 in ");
    shell.wait_for("begun.txt");
    type_line(&mut keyboard, "exit 5");
    let finished = shell.finish();
    assert_eq!(finished.code, Some(5), "{finished:#?}");
    assert!(finished.stdout.contains("/dev/pts/"), "{finished:#?}");
}

/// The size of a terminal is that of the client's, also when it changes.
#[test]
fn size_of_a_terminal() {
    let served = serve_job("ends", "");
    let (terminal, other_side) = open_terminal();
    let resize = |ws_row, ws_col| {
        let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(terminal.as_fd(), size).unwrap();
    };
    resize(33, 77);
    // What is printed first says that the trap stands: a signal that comes before it is lost.
    let script = "trap 'echo now $(stty size)' WINCH; stty size; while :; do sleep 0.1; done";
    let mut command = served.program("ssh", &["-tt", "run", script]);
    command.stdin(other_side).env("TERM", "xterm");
    let mut client = start(command);
    client.wait_for("33 77");
    resize(44, 111);
    // The client is not the foreground of its terminal here, so the kernel sends it no signal.
    client.signal(Signal::WINCH);
    client.wait_for("now 44 111");
}

/// Ctrl-C reaches the program at the terminal: not the run, and also when the run itself ignores it.
#[test]
fn control_c() {
    for wrapper in [&[][..], &["sh", "-c", "trap '' INT QUIT; exec \"$@\"", "sh"]] {
        let sandbox = new_sandbox();
        make_key(&sandbox, "key", "ed25519");
        let words = ["run", "offers_ssh", "--data", r#"{"way": "ends"}"#];
        let words = words.into_iter().chain(OPEN.split_whitespace()).collect::<Vec<_>>();
        let command = sandbox.wrapped(wrapper, &words);
        let served = SshRun::begin(sandbox, command, "ready");
        let script = "trap 'echo inter\"\"rupted; exit 9' INT; echo waits; sleep 1000";
        let (mut client, mut keyboard) = served.start_ssh(&["-tt", "run", script]);
        client.wait_for("waits");
        keyboard.write_all(b"\x03").unwrap();
        client.wait_for("interrupted");
        assert_eq!(client.finish().code, Some(9));
        // The same for a program without a handler.
        let (mut client, mut keyboard) =
            served.start_ssh(&["-tt", "run", "echo waits; sleep 1000"]);
        client.wait_for("waits");
        keyboard.write_all(b"\x03").unwrap();
        assert_eq!(client.finish().code, Some(255));
        served.go();
        let (_sandbox, finished) = served.end();
        assert_eq!(finished.code, Some(0), "{finished:#?}");
    }
}

/// A job that never yields does not prevent logins.
#[test]
fn job_that_is_stuck() {
    let served = serve_job("is_stuck", "");
    assert_eq!(served.printed("cat outputs/begun.txt"), "begun");
    let stacks = served.printed("ps -o stat= -p $(pgrep -P $PPID -f -- __worker)");
    assert!(!stacks.is_empty());
    served.go();
    assert_eq!(served.end().1.code, Some(0));
}

#[test]
fn many_sessions() {
    let served = serve_job("ends", "");
    let sessions = (0..20).map(|number| {
        let script = format!("echo {number}; sleep 0.3; echo done");
        (number, start(served.program("ssh", &["run", &script])))
    });
    for (number, session) in sessions.collect::<Vec<_>>() {
        let finished = session.finish();
        assert_eq!(finished.stdout, format!("{number}\ndone\n"), "{finished:#?}");
    }
}

/// Many sessions over one connection.
#[test]
fn multiplexing() {
    let served = serve_job("ends", "");
    let control = format!("ControlPath={}", served.sandbox.path("c").display());
    let master = start(served.program("ssh", &["-M", "-N", "-o", &control, "run"]));
    let check = ["-o", &control, "-O", "check", "run"];
    wait_until("there is a master", || served.ssh(&check).code == Some(0));
    let sessions = (0..10).map(|number| {
        let script = format!("echo {number}");
        (number, start(served.program("ssh", &["-o", &control, "run", &script])))
    });
    for (number, session) in sessions.collect::<Vec<_>>() {
        let finished = session.finish();
        assert_eq!(finished.stdout, format!("{number}\n"), "{finished:#?}");
    }
    let logins = served.events();
    let is_login = |event: &&RunEvent| matches!(event, RunEvent::SshLogin { .. });
    assert_eq!(logins.iter().filter(is_login).count(), 1);
    assert_eq!(served.ssh(&["-o", &control, "-O", "exit", "run"]).code, Some(0));
    master.finish();
}

/// A client that disappears ends the processes of its session, but not daemons.
#[test]
fn client_that_is_killed() {
    let served = serve_job("ends", "");
    for (kind, words) in [("pipe", &["-T"][..]), ("terminal", &["-tt"])] {
        let mark = format!("1000.{}{}", std::process::id(), kind.len());
        let script = format!("trap 'echo x > outputs/{kind}' HUP; echo waits; sleep {mark} & wait");
        let (mut client, _keyboard) = served.start_ssh(&[words, &["run", &script]].concat());
        client.wait_for("waits");
        let processes = || processes_with(&format!("sleep {mark}"));
        // Before its `exec` it has the traps of its shell, and would not end.
        let sleeps = || processes().iter().any(|line| line.starts_with("sleep "));
        wait_until("it sleeps", sleeps);
        kill_process(client.pid(), Signal::KILL).unwrap();
        client.finish_killed();
        wait_until("it hears of it", || served.path(&format!("outputs/{kind}")).exists());
        let is_gone = || processes().is_empty();
        wait_until("its processes are gone", is_gone);
    }
    let reported = |wanted: fn(&RunEvent) -> bool| {
        served.events().iter().filter(|event| wanted(event)).count()
    };
    wait_until("it is reported", || {
        reported(|event| matches!(event, RunEvent::SshLogout { .. })) == 2
    });
    assert_eq!(reported(|event| matches!(event, RunEvent::SshLogin { .. })), 2);
}
