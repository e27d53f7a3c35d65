use chutes_core::{Port, Protocol};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// A relay, its address, and the server behind it. (The job is on this machine: for the relay, a container
/// differs only in how it connects.)
struct Case {
    relay: Relay,
    at: std::net::SocketAddr,
    job: TcpListener,
}

impl Case {
    async fn new(connections: usize) -> Self {
        let job = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = StdListener::bind("127.0.0.1:0").unwrap();
        front.set_nonblocking(true).unwrap();
        let at = front.local_addr().unwrap();
        let port = Port::new("web", 8080, Protocol::Tcp).unwrap();
        let port = PortAddress { port, address: job.local_addr().unwrap() };
        let relay =
            Relay::with_at_most(connections, vec![(front, port)], &Connector::Here).unwrap();
        Self { relay, at, job }
    }

    async fn pair(&self) -> (TcpStream, TcpStream) {
        let client = TcpStream::connect(self.at).await.unwrap();
        (client, self.job.accept().await.unwrap().0)
    }
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn each_side_may_close_before_the_other() {
    let case = Case::new(8).await;
    let (mut client, mut job) = case.pair().await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut job).await, "question");
    // The client has closed its side, and still receives.
    let answer = "x".repeat(1_000_000);
    let ((), received) = tokio::join!(
        async {
            job.write_all(answer.as_bytes()).await.unwrap();
            job.shutdown().await.unwrap();
        },
        rest(&mut client)
    );
    assert!(received == answer);
    let (mut client, mut job) = case.pair().await;
    job.write_all(b"hello").await.unwrap();
    job.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, "hello");
    client.write_all(b"late").await.unwrap();
    drop(client);
    assert_eq!(rest(&mut job).await, "late");
    case.relay.stop().await;
}

#[tokio::test]
async fn a_closed_port_resets_the_client() {
    let Case { relay, at, job } = Case::new(8).await;
    drop(job);
    let mut client = TcpStream::connect(at).await.unwrap();
    let error = client.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    relay.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let case = Case::new(1).await;
    let (mut first, mut job) = case.pair().await;
    let mut second = TcpStream::connect(case.at).await.unwrap();
    second.write_all(b"second").await.unwrap();
    // The first connection works, and the second is not relayed meanwhile.
    first.write_all(b"first").await.unwrap();
    let mut five = [0; 5];
    job.read_exact(&mut five).await.unwrap();
    assert_eq!(&five, b"first");
    let waiting = case.job.accept();
    tokio::pin!(waiting);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    drop((first, job));
    let (mut job, _) = waiting.await.unwrap();
    second.shutdown().await.unwrap();
    assert_eq!(rest(&mut job).await, "second");
    case.relay.stop().await;
}

#[tokio::test]
async fn stopping_closes_all_connections() {
    let case = Case::new(8).await;
    let (mut client, mut job) = case.pair().await;
    case.relay.stop().await;
    for side in [&mut client, &mut job] {
        let closed = side.read_u8().await.unwrap_err();
        let kinds = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&closed.kind()), "{closed}");
    }
    assert!(TcpStream::connect(case.at).await.is_err());
}
