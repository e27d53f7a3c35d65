//! Forwarding to ports of the job, and to nothing else.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::testing::{Fixture, finish, wait_until};

/// A server that returns the data of each connection once the client has closed its side.
async fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut data = Vec::new();
            stream.read_to_end(&mut data).await.unwrap();
            stream.write_all(&data).await.unwrap();
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_the_job_can_be_connected_to() {
    let fixture = Fixture::new();
    let port = echo_server().await;
    let local = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut client = fixture.client();
    client.args([
        "-N",
        "-o",
        "ExitOnForwardFailure=yes",
        "-L",
        &format!("{local}:localhost:{port}"),
    ]);
    let mut client = tokio::process::Command::from(client).kill_on_drop(true).spawn().unwrap();
    wait_until("it listens", || std::net::TcpStream::connect(local).is_ok()).await;
    let mut stream = TcpStream::connect(local).await.unwrap();
    let sent = vec![5; 3_000_000];
    stream.write_all(&sent).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    assert!(received == sent, "{} bytes came back", received.len());
    client.kill().await.unwrap();
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_destinations_are_refused() {
    let fixture = Fixture::new();
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for (target, expected) in [
        ("192.0.2.1:80".to_owned(), "administratively prohibited"),
        ("example.invalid:80".to_owned(), "administratively prohibited"),
        ("169.254.169.254:80".to_owned(), "administratively prohibited"),
        (format!("localhost:{closed}"), "connect failed"),
    ] {
        let mut client = fixture.client();
        client.args(["-W", &target]);
        let finished = finish(client).await;
        assert_eq!(finished.code, Some(255), "{target} {finished:?}");
        assert!(finished.stderr.contains(expected), "{target} {finished:?}");
    }
    fixture.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_forwarding_is_refused_and_the_session_goes_on() {
    let fixture = Fixture::new();
    let socket = fixture.folder.path().join("socket");
    for options in [
        &["-R", "0:localhost:80"][..],
        &["-R", &format!("{}:localhost:80", socket.display())],
        &["-A"],
        &["-o", "ForwardX11=yes", "-o", "ForwardX11Trusted=yes"],
    ] {
        let finished =
            fixture.run(options, "echo ${SSH_AUTH_SOCK_OF_CLIENT-none} ${DISPLAY_OF_CLIENT-none}");
        let finished = finished.await;
        assert_eq!(finished.stdout, "none none\n", "{options:?} {finished:?}");
    }
    let finished =
        fixture.run(&["-o", "ExitOnForwardFailure=yes", "-R", "0:localhost:80"], "true").await;
    assert_eq!(finished.code, Some(255));
    assert!(finished.stderr.contains("remote port forwarding failed"), "{finished:?}");
    assert!(!socket.exists());
    fixture.stop().await;
}
