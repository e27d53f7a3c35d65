//! Too many clients, clients that do nothing, and the end of the front.

use super::*;

/// Limits with timeouts that no test reaches.
fn long_timeouts() -> FrontLimits {
    let long = Duration::from_hours(1);
    FrontLimits {
        handshake_time: long,
        first_request_time: long,
        half_closed_time: long,
        ..FrontLimits::default()
    }
}

async fn is_served(bench: &TestFront) {
    let (mut client, mut job) = soon(bench.pair("GET / HTTP/1.1\r\n\r\n")).await;
    job.write_all(b"yes").await.unwrap();
    assert_eq!(soon(read_exactly(&mut client, 3)).await, "yes");
}

#[tokio::test]
async fn two_hundred_slow_handshakes_do_not_keep_others_out() {
    let limits = FrontLimits { handshakes: 128, ..long_timeouts() };
    let bench = TestFront::new(None, limits).await;
    let port = bench.front.endpoint().port;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(&[0x16]).await.unwrap();
        slow.push(stream);
    }
    is_served(&bench).await;
    // The oldest were closed.
    assert!(soon(read_all(&mut slow[0])).await.is_ok_and(|received| received.is_empty()));
}

#[tokio::test]
async fn silent_clients_make_room_for_others() {
    let bench = TestFront::new(None, FrontLimits { connections: 20, ..long_timeouts() }).await;
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut client = soon(bench.client()).await;
        // Half of them begin a request and never end its head.
        if number % 2 == 0 {
            client.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        }
        silent.push(client);
    }
    for _ in 0..100 {
        // Every other client has had a connection to the job, unless it was closed before that.
        let Ok(accepted) = timeout(Duration::from_millis(1), bench.job.accept()).await else {
            break;
        };
        drop(accepted);
    }
    let mut served = soon(bench.client()).await;
    served.write_all(b"GET /mine HTTP/1.1\r\n\r\n").await.unwrap();
    soon(async {
        loop {
            let mut job = bench.accept().await;
            let mut received = [0; 9];
            if job.read_exact(&mut received).await.is_ok() && received == *b"GET /mine" {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_client_with_a_request_is_never_closed_for_others() {
    let bench = TestFront::new(None, FrontLimits { connections: 2, ..long_timeouts() }).await;
    let mut first = bench.pair("GET /1 HTTP/1.1\r\n\r\n").await;
    let mut second = bench.pair("GET /2 HTTP/1.1\r\n\r\n").await;
    let mut third = tokio::spawn(Client::of(&bench.front.endpoint()).connect());
    for (client, job) in [&mut first, &mut second] {
        job.write_all(b"pong").await.unwrap();
        assert_eq!(soon(read_exactly(client, 4)).await, "pong");
    }
    assert!(!third.is_finished(), "it did not wait");
    drop(first);
    soon(&mut third).await.unwrap().unwrap();
    second.1.write_all(b"pong").await.unwrap();
    assert_eq!(soon(read_exactly(&mut second.0, 4)).await, "pong");
}

#[tokio::test]
async fn the_time_to_the_first_request_is_limited() {
    let first_request_time = Duration::from_millis(300);
    let bench = TestFront::new(None, FrontLimits { first_request_time, ..long_timeouts() }).await;
    let (mut confirmed, mut job) = bench.pair("GET / HTTP/1.1\r\n\r\n").await;
    let mut silent = bench.client().await;
    let (mut half, _half_job) = bench.pair("GET / HTTP/1.1\r\n").await;
    let h2 = Client { protocols: &["h2"], ..Client::of(&bench.front.endpoint()) };
    let mut silent_h2 = h2.connect().await.unwrap();
    for client in [&mut silent, &mut half, &mut silent_h2] {
        // The connection has to end, in order or not.
        drop(soon(read_all(client)).await);
    }
    job.write_all(b"still here").await.unwrap();
    assert_eq!(soon(read_exactly(&mut confirmed, 10)).await, "still here");
}

#[tokio::test]
async fn the_time_of_a_handshake_is_limited() {
    let handshake_time = Duration::from_millis(50);
    let bench = TestFront::new(None, FrontLimits { handshake_time, ..long_timeouts() }).await;
    let port = bench.front.endpoint().port;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    assert_eq!(soon(read_all(&mut stream)).await.unwrap(), "");
}

#[tokio::test]
async fn a_client_that_stays_after_the_job_has_ended_is_closed() {
    let half_closed_time = Duration::from_millis(50);
    let bench = TestFront::new(None, FrontLimits { half_closed_time, ..long_timeouts() }).await;
    let (mut client, mut job) = bench.pair("GET / HTTP/1.0\r\n\r\n").await;
    job.shutdown().await.unwrap();
    assert_eq!(soon(read_all(&mut client)).await.unwrap(), "");
    assert_eq!(soon(read_all(&mut job)).await.unwrap(), "", "the front has closed");
}

#[tokio::test]
async fn data_of_the_job_is_sent_before_the_front_ends() {
    let bench = TestFront::new(None, long_timeouts()).await;
    let port = bench.front.endpoint().port;
    let (mut client, mut job) = bench.pair("GET / HTTP/1.1\r\n\r\n").await;
    let (mut idle, _idle_job) = bench.pair("GET / HTTP/1.1\r\n\r\n").await;
    let mut silent = bench.client().await;
    let answer = "x".repeat(50_000);
    job.write_all(answer.as_bytes()).await.unwrap();
    drop(job);
    let (received, ()) =
        soon(async { tokio::join!(read_all(&mut client), bench.front.stop()) }).await;
    assert_eq!(received.unwrap(), answer);
    assert_eq!(soon(read_all(&mut idle)).await.unwrap(), "", "the connection is shut down");
    // The front may not have completed the handshake yet.
    drop(soon(read_all(&mut silent)).await);
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_delay_the_end() {
    let bench = TestFront::new(None, long_timeouts()).await;
    let (client, mut job) = bench.pair("GET / HTTP/1.1\r\n\r\n").await;
    let writing = tokio::spawn(async move {
        let chunk = vec![7; 100_000];
        while job.write_all(&chunk).await.is_ok() {}
    });
    soon(bench.front.stop()).await;
    soon(writing).await.unwrap();
    drop(client);
}

#[tokio::test]
async fn a_front_that_is_dropped_has_ended() {
    let TestFront { front, job } = TestFront::open_to_all().await;
    let mut client = Client::of(&front.endpoint()).connect().await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let (mut accepted, _) = job.accept().await.unwrap();
    drop(front);
    assert!(soon(read_all(&mut accepted)).await.is_ok());
}

#[tokio::test]
async fn a_front_that_never_served_ends() {
    let job = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = open(&job, None, FrontLimits::default()).unwrap();
    let port = front.endpoint().port;
    soon(front.stop()).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn the_job_is_healthy_once_it_answers_200() {
    let job = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let upstream = upstream(job.local_addr().unwrap());
    let (sender, mut problems) = tokio::sync::mpsc::unbounded_channel();
    let mut waiting = tokio::spawn(async move {
        healthy_after(&upstream, |problem| sender.send(problem).unwrap()).await
    });
    for status in ["500 No", "404 No", "204 No", "200 OK"] {
        assert!(!waiting.is_finished(), "{status}");
        let (mut probe, _) = soon(job.accept()).await.unwrap();
        assert_eq!(read_exactly(&mut probe, 12).await, "GET /health ");
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        probe.write_all(answer.as_bytes()).await.unwrap();
    }
    soon(&mut waiting).await.unwrap().unwrap();
    for expected in [
        "`GET /health` was answered with 500 (after 1 attempt)",
        "`GET /health` was answered with 404 (after 2 attempts)",
        "`GET /health` was answered with 204 (after 3 attempts)",
    ] {
        assert_eq!(problems.recv().await.as_deref(), Some(expected));
    }
    assert_eq!(problems.recv().await, None);
}

/// The network of this process is refused like that of another user.
#[tokio::test]
async fn a_job_that_this_process_may_not_reach_is_not_waited_for() {
    let pid = rustix::process::getpid().as_raw_pid();
    let pid = tokio::sync::watch::Sender::new(Some(pid)).subscribe();
    let upstream = Upstream {
        connector: Connector::Container(chutes_ports::ContainerConnector::new(pid)),
        ..upstream(([127, 0, 0, 1], 9).into())
    };
    let error = soon(healthy(&upstream)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
}
