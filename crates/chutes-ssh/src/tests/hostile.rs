//! Hostile clients, and clients that vanish.

use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::time::Duration;

use chutes_core::RunEvent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits::{BufferLimits, SshLimits};
use crate::testing::{Fixture, FixtureOptions, wait_until};

/// Reads until the server closes the connection.
async fn closed(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // The connection may be reset.
    let read = stream.read_to_end(&mut rest);
    let _ = timeout(Duration::from_mins(1), read).await.expect("it stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_refused() {
    let fixture = Fixture::new();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"SSH-1.5-old\r\n",
        &[0; 4096],
        &vec![0xff; 100_000],
        b"SSH-2.0-x\r\n\xff\xff\xff\xff\x00\x00\x00\x00",
        b"SSH-2.0-x\r\n\x00\x00\x00\x0c\x04\x14aaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let mut stream = TcpStream::connect(fixture.address()).await.unwrap();
        // The server may have closed the connection in the middle.
        let _ = stream.write_all(garbage).await;
        closed(stream).await;
    }
    wait_until("all are reported", || fixture.log.all().len() == 6).await;
    let is_refusal = |event: &RunEvent| matches!(event, RunEvent::SshRefused { .. });
    assert!(fixture.log.all().iter().all(is_refusal));
    let finished = fixture.run(&[], "echo hello").await;
    assert_eq!(finished.stdout, "hello\n");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_clients_are_closed_and_do_not_keep_others_out() {
    let login_time = Duration::from_secs(2);
    let limits = SshLimits { login_time, ..SshLimits::default() };
    let fixture = Fixture::with(FixtureOptions { limits, ..FixtureOptions::default() });
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(TcpStream::connect(fixture.address()).await.unwrap());
    }
    for mut stream in silent.drain(..) {
        // A client that has sent its identification and nothing else has no more time.
        let _ = stream.write_all(b"SSH-2.0-x\r\n").await;
        closed(stream).await;
    }
    let finished = fixture.run(&[], "echo hello").await;
    assert_eq!(finished.stdout, "hello\n");
    let is_refusal = |event: &&RunEvent| matches!(event, RunEvent::SshRefused { .. });
    assert_eq!(
        fixture.log.all().iter().filter(is_refusal).count(),
        20,
        "the number of reports is not limited"
    );
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_log_in_is_closed() {
    let limits = SshLimits { login_time: Duration::from_secs(1), ..SshLimits::default() };
    let fixture = Fixture::with(FixtureOptions { limits, ..FixtureOptions::default() });
    closed(TcpStream::connect(fixture.address()).await.unwrap()).await;
    assert_eq!(fixture.log.refusal().await, "the client had not logged in after 1s");
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_processes_of_a_killed_client_are_hung_up() {
    let fixture = Fixture::new();
    for options in [&["-tt"][..], &["-T"]] {
        // The shell prints the signal on standard error, which has no reader any more; that would end the
        // shell.
        let command = "echo $$ > pid; exec 2> said; trap ': > hung-up; exit' HUP; echo; \
                       while :; do sleep 0.05; done";
        let mut client = fixture.client();
        client.process_group(0).args(options).arg(command).stdin(Stdio::piped());
        let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
        client.stdout.as_mut().unwrap().read_u8().await.unwrap();
        client.kill().await.unwrap();
        let mark = fixture.directory().join("hung-up");
        wait_until("it gets the signal", || mark.exists()).await;
        std::fs::remove_file(mark).unwrap();
        let pid = std::fs::read_to_string(fixture.directory().join("pid")).unwrap();
        let process = format!("/proc/{}", pid.trim());
        wait_until("it is gone", || !std::path::Path::new(&process).exists()).await;
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_ends_sessions_and_disconnects_clients() {
    let fixture = Fixture::new();
    let mut client = fixture.client();
    client.arg("echo $$ > pid; trap '' HUP TERM; echo; while :; do sleep 0.05; done");
    let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
    client.stdout.as_mut().unwrap().read_u8().await.unwrap();
    let pid = std::fs::read_to_string(fixture.directory().join("pid")).unwrap();
    let stderr = client.stderr.take();
    fixture.stop().await;
    assert!(!std::path::Path::new(&format!("/proc/{}", pid.trim())).exists());
    let mut output_text = String::new();
    stderr.unwrap().read_to_string(&mut output_text).await.unwrap();
    assert!(output_text.contains("the run has ended"), "{output_text}");
    assert_eq!(client.wait().await.unwrap().code(), Some(255));
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_input_is_bounded() {
    let buffered = BufferLimits { small_window: 100_000, throttle: 1_000_000_000, max: 3_000_000 };
    let fixture = Fixture::with(FixtureOptions {
        limits: SshLimits { buffered, ..SshLimits::default() },
        ..FixtureOptions::default()
    });
    let mut client = fixture.client();
    client.stdin(Stdio::piped()).arg("sleep 600");
    let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
    let mut input = client.stdin.take().unwrap();
    let sending = async { while input.write_all(&vec![1; 100_000]).await.is_ok() {} };
    timeout(Duration::from_mins(1), sending).await.expect("it is taken for ever");
    let output = client.wait_with_output().await.unwrap();
    let output_text = String::from_utf8_lossy(&output.stderr);
    assert!(
        output_text.contains("too much was sent that the session has not read"),
        "{output_text}"
    );
    fixture.stop().await;
}
