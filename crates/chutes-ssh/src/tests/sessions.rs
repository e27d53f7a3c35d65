//! Sessions: commands, environment, terminals, and how their exit is reported.

use std::process::{Command, Stdio};
use std::time::Duration;

use chutes_process::RUN_ID_VARIABLE;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::limits::SshLimits;
use crate::testing::{Finished, Fixture, FixtureOptions, finish, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_of_a_command_is_reported() {
    let fixture = Fixture::new();
    for (command, code, stdout, stderr) in [
        ("echo out; echo err >&2; exit 7", 7, "out\n", "err\n"),
        ("true", 0, "", ""),
        ("exit 255", 255, "", ""),
        ("pwd -P", 0, &*format!("{}\n", fixture.directory().canonicalize().unwrap().display()), ""),
        ("kill -TERM $$", 255, "", ""),
        ("test -t 0 || echo no terminal", 0, "no terminal\n", ""),
    ] {
        let finished = fixture.run(&[], command).await;
        let expected =
            Finished { code: Some(code), stdout: stdout.to_owned(), stderr: stderr.to_owned() };
        assert_eq!(finished, expected, "{command}");
    }
    // The client prints the kind of exit only with `-v`.
    let finished = fixture.run(&["-v"], "kill -KILL $$").await;
    assert!(finished.stderr.contains("rtype exit-signal"), "{finished:?}");
    let finished = fixture.run(&["-v"], "exit 3").await;
    assert!(finished.stderr.contains("rtype exit-status"), "{finished:?}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_that_comes_late_is_not_lost() {
    let fixture = Fixture::new();
    let finished = fixture.run(&[], "(sleep 0.3; echo late) & echo soon").await;
    assert_eq!(finished.stdout, "soon\nlate\n");
    let finished = fixture.run(&["-tt"], "head -c 300000 /dev/zero | tr '\\0' x").await;
    assert_eq!(finished.stdout.len(), 300_000);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_has_the_environment_of_the_job() {
    let fixture = Fixture::new();
    let port = fixture.address().port();
    for (command, expected) in [
        ("echo $OF_THE_JOB $CHUTES_PORT_TCP_8080", "yes 18080\n"),
        ("echo $SSH_CONNECTION | cut -d ' ' -f 1,3,4", &*format!("127.0.0.1 127.0.0.1 {port}\n")),
        ("echo $LC_TEST,$LANG,$SECRET,$LD_PRELOAD", "a,b,,\n"),
        (
            "echo ${HOME:+home} ${USER:+user} ${SHELL:+shell} ${PATH:+path}",
            "home user shell path\n",
        ),
        ("echo ${SSH_TTY-none}", "none\n"),
        ("echo $HOME", &format!("{}\n", fixture.folder.path().join("home").display())),
    ] {
        let mut client = fixture.client();
        client.env("LC_TEST", "a").env("LANG", "b").env("SECRET", "c").env("LD_PRELOAD", "");
        client.args(["-o", "SendEnv=LC_* LANG SECRET LD_PRELOAD"]).arg(command);
        let finished = finish(client).await;
        assert_eq!(finished.stdout, expected, "{command} {finished:?}");
    }
    let finished = fixture.run(&[], &format!("echo ${RUN_ID_VARIABLE}")).await;
    assert_eq!(finished.stdout.trim_end().len(), 36, "{finished:?}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_a_terminal() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.env("TERM", "vt100").args(["-tt", "stty size; tty; echo $SSH_TTY $TERM"]);
    let finished = finish(client).await;
    let lines: Vec<_> = finished.stdout.lines().map(str::trim_end).collect();
    let [size, tty, variables] = lines[..] else { panic!("{finished:?}") };
    // The client has no terminal here, so the size is zero.
    assert_eq!(size, "0 0");
    assert!(tty.starts_with("/dev/pts/"), "{finished:?}");
    assert_eq!(variables, format!("{tty} vt100"));

    // Ctrl-C is sent as a byte: only a terminal turns it into a signal.
    let mut client = fixture.client();
    client.stdin(Stdio::piped()).args(["-tt", "trap 'echo caught; exit 3' INT; echo ready; cat"]);
    let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
    let mut output = client.stdout.take().unwrap();
    let mut seen = vec![0; 7];
    output.read_exact(&mut seen).await.unwrap();
    client.stdin.as_mut().unwrap().write_all(b"\x03").await.unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("caught"), "{rest:?}");
    assert_eq!(client.wait().await.unwrap().code(), Some(3));

    // The end of the input is sent as a byte as well.
    let mut client = fixture.client();
    client.args(["-tt", "cat; echo end"]);
    let finished = finish(client).await;
    assert!(finished.stdout.contains("end"), "{finished:?}");
    fixture.stop().await;
}

/// The client has a terminal, whose size it passes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_the_size_of_that_of_the_client() {
    let fixture = Fixture::new();
    let command = "stty size; trap 'stty size; exit 0' WINCH; echo ready; \
                   while :; do sleep 0.05; done";
    let (pty, inner) = pty_process::open().unwrap();
    pty.resize(pty_process::Size::new(30, 100)).unwrap();
    let mut client = fixture.client();
    client.args(["-tt", command]);
    client.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    let arguments: Vec<_> = client.get_args().map(ToOwned::to_owned).collect();
    let client = pty_process::Command::new("ssh").args(arguments).kill_on_drop(true);
    let mut client = client.spawn(inner).unwrap();
    let (mut output, input) = pty.into_split();
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    let mut is_resized = false;
    // Reading a terminal whose other side is closed is an error and not an end.
    while let Ok(count @ 1..) = output.read(&mut buffer).await {
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
        if seen.contains("ready") && !is_resized {
            is_resized = true;
            input.resize(pty_process::Size::new(40, 120)).unwrap();
        }
    }
    assert!(seen.contains("30 100") && seen.contains("40 120"), "{seen}");
    assert!(client.wait().await.unwrap().success());
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_shell_takes_commands() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.stdin(Stdio::piped());
    let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"echo $0\nexit 5\n").await.unwrap();
    let output = client.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(output.stdout.starts_with(b"-"), "{output:?}");
    drop(input);
    fixture.stop().await;
}

/// Sends this many bytes through a process that returns them, and checks what comes back.
async fn echo(fixture: &Fixture, size: usize, command: &str) {
    let mut client = fixture.client();
    client.stdin(Stdio::piped()).arg(command);
    let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
    let (mut input, mut output) = (client.stdin.take().unwrap(), client.stdout.take().unwrap());
    let sent: Vec<u8> = (0..=250).cycle().take(size).collect();
    let expected = Sha256::digest(&sent);
    let sending = tokio::spawn(async move { input.write_all(&sent).await.unwrap() });
    let mut received = Vec::new();
    output.read_to_end(&mut received).await.unwrap();
    sending.await.unwrap();
    assert_eq!(received.len(), size);
    assert!(Sha256::digest(&received) == expected, "other bytes came back");
    assert!(client.wait().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn much_data_passes_in_both_directions() {
    let fixture = Fixture::new();
    echo(&fixture, 20_000_000, "cat").await;
    // Nothing is read at first, so the data has to be buffered or to wait.
    echo(&fixture, 20_000_000, "sleep 1; cat").await;
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn session_keys_are_renewed_in_the_middle() {
    let limits = SshLimits { rekey_bytes: 1_000_000, ..SshLimits::default() };
    let fixture = Fixture::with(FixtureOptions { limits, ..FixtureOptions::default() });
    echo(&fixture, 10_000_000, "cat").await;
    let finished = fixture.run(&["-o", "RekeyLimit=1M"], "head -c 10000000 /dev/zero | tr '\\0' x");
    assert_eq!(finished.await.stdout.len(), 10_000_000);
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_waits_for_a_client_that_does_not_read() {
    let fixture = Fixture::new();
    let file = fixture.directory().join("written");
    let mut client = fixture.client();
    client.arg("i=0; while :; do head -c 1000000 /dev/zero; echo >> written; done");
    let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
    let count = || std::fs::read(&file).map_or(0, |bytes| bytes.len());
    wait_until("it writes something", || count() > 0).await;
    // Writing has stopped when no byte is written within a period.
    let mut last = 0;
    wait_until("it comes to a stop", || {
        let before = std::mem::replace(&mut last, count());
        std::thread::sleep(Duration::from_millis(500));
        count() == before
    })
    .await;
    assert!(last < 64, "{last} MB are somewhere");
    client.kill().await.unwrap();
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_at_a_time() {
    let fixture = Fixture::new();
    let sessions = (0..20).map(|number| {
        let command = format!("sleep 0.2; echo {number}; exit {number}");
        let fixture = &fixture;
        async move { fixture.run(&["-o", "ConnectionAttempts=5"], &command).await }
    });
    let all = futures_util::future::join_all(sessions).await;
    for (number, finished) in all.iter().enumerate() {
        assert_eq!(finished.code, i32::try_from(number).ok(), "{finished:?}");
        assert_eq!(finished.stdout, format!("{number}\n"));
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_on_one_connection() {
    let fixture = Fixture::new();
    let control = fixture.folder.path().join("control");
    let control = format!("ControlPath={}", control.display());
    let mut master = fixture.client();
    master.args(["-o", &control, "-o", "ControlMaster=yes", "-N"]);
    let mut master = tokio::process::Command::from(master).kill_on_drop(true).spawn().unwrap();
    wait_until("the connection is there", || fixture.folder.path().join("control").exists()).await;
    let sessions = (0..20).map(|number| {
        let (control, fixture) = (&control, &fixture);
        let command = format!("sleep 0.2; echo {number}; exit {number}");
        async move { fixture.run(&["-o", control], &command).await }
    });
    for (number, finished) in futures_util::future::join_all(sessions).await.iter().enumerate() {
        assert_eq!(finished.code, i32::try_from(number).ok(), "{finished:?}");
        assert_eq!(finished.stdout, format!("{number}\n"));
    }
    assert_eq!(*fixture.server.open_sessions().borrow(), 1);
    master.kill().await.unwrap();
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sftp_server_is_a_process_of_its_own() {
    let sftp = || {
        let mut command = Command::new("sh");
        command.args(["-c", "echo this is sftp; cat"]);
        Ok(command)
    };
    let fixture = Fixture::with(FixtureOptions { sftp: Some(sftp), ..FixtureOptions::default() });
    let finished = fixture.run(&["-s"], "sftp").await;
    assert_eq!((finished.code, &*finished.stdout), (Some(0), "this is sftp\n"), "{finished:?}");
    let finished = fixture.run(&["-s"], "netconf").await;
    assert!(finished.stderr.contains("subsystem request failed"), "{finished:?}");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_to_start_is_explained() {
    let fixture = Fixture::new();
    std::fs::remove_dir(fixture.directory()).unwrap();
    let finished = fixture.run(&[], "true").await;
    assert_eq!(finished.code, Some(255));
    assert!(finished.stderr.contains("chutes: cannot start this: No such file"), "{finished:?}");
    fixture.stop().await;
}
