//! HTTP/1.1: every byte arrives as it was sent.

use rustix::net::sockopt::set_socket_linger;
use sha2::{Digest, Sha256};

use super::*;

#[tokio::test]
async fn bytes_pass_untouched() {
    let check = async |request: &str, answer: &str| {
        let bench = TestFront::open_to_all().await;
        let (mut client, mut job) = bench.pair(request).await;
        job.write_all(answer.as_bytes()).await.unwrap();
        drop(job);
        assert_eq!(soon(read_all(&mut client)).await.unwrap(), answer, "{request:?}");
    };
    check("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        .await;
    check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n").await;
    check(
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\na\r\n0\r\nX: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
    )
    .await;
    // Two parsers may read these differently. The front does not parse them.
    check(
        "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /2",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
    )
    .await;
    check("GET / HTTP/1.1\nHost : a\r\n folded\n\n\0\0", "not HTTP at all").await;
    check("GET / HTTP/1.1\r\nX-Forwarded-For: me\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n").await;
}

#[tokio::test]
async fn expect_continue_is_passed_on() {
    let bench = TestFront::open_to_all().await;
    let ask = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
    let (mut client, mut job) = bench.pair(ask).await;
    let go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    job.write_all(go_on.as_bytes()).await.unwrap();
    assert_eq!(soon(read_exactly(&mut client, go_on.len())).await, go_on);
    client.write_all(b"body").await.unwrap();
    assert_eq!(soon(read_exactly(&mut job, 4)).await, "body");
}

/// Each event is read before the job sends the next one, so none waits for others.
#[tokio::test]
async fn events_arrive_one_by_one() {
    let bench = TestFront::open_to_all().await;
    let (mut client, mut job) = bench.pair("GET /events HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for number in 0..100 {
        let event = format!("data: {number}\n\n");
        job.write_all(event.as_bytes()).await.unwrap();
        assert_eq!(soon(read_exactly(&mut client, event.len())).await, event);
    }
}

#[tokio::test]
async fn websockets_pass() {
    let bench = TestFront::open_to_all().await;
    let ask = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let (mut client, mut job) = bench.pair(ask).await;
    let yes = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
               Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    job.write_all(yes.as_bytes()).await.unwrap();
    assert_eq!(soon(read_exactly(&mut client, yes.len())).await, yes);
    // A masked `Hello` of the client, one of the job, then a close frame of both.
    let exchanges: [(&[u8], &[u8]); 2] = [
        (&[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58], b"\x81\x05Hello"),
        (&[0x88, 0x80, 1, 2, 3, 4], &[0x88, 0]),
    ];
    for (client_frame, job_frame) in exchanges {
        client.write_all(client_frame).await.unwrap();
        let mut frame = vec![0; client_frame.len()];
        soon(job.read_exact(&mut frame)).await.unwrap();
        assert_eq!(frame, client_frame);
        job.write_all(job_frame).await.unwrap();
        let mut frame = vec![0; job_frame.len()];
        soon(client.read_exact(&mut frame)).await.unwrap();
        assert_eq!(frame, job_frame);
    }
}

const LARGE: u64 = 100 * 1024 * 1024;

/// Sends bytes whose checksum depends on their order, and returns it.
async fn send_large(mut writer: impl tokio::io::AsyncWrite + Unpin) -> Vec<u8> {
    let (mut sum, mut sent) = (Sha256::new(), 0_u64);
    let mut chunk = vec![0; 100_000];
    while sent < LARGE {
        chunk.truncate(usize::try_from(LARGE - sent).unwrap_or(usize::MAX));
        for (index, byte) in chunk.iter_mut().step_by(997).enumerate() {
            *byte = u8::try_from((sent / 1_000 + index as u64) % 251).unwrap();
        }
        sum.update(&chunk);
        writer.write_all(&chunk).await.unwrap();
        sent += chunk.len() as u64;
    }
    writer.shutdown().await.unwrap();
    sum.finalize().to_vec()
}

async fn receive_large(mut reader: impl AsyncReadExt + Unpin) -> (u64, Vec<u8>) {
    let (mut sum, mut received) = (Sha256::new(), 0);
    let mut chunk = vec![0; 100_000];
    loop {
        match reader.read(&mut chunk).await.unwrap() {
            0 => return (received, sum.finalize().to_vec()),
            count => {
                sum.update(&chunk[..count]);
                received += count as u64;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_pass_both_ways_at_once() {
    let bench = TestFront::open_to_all().await;
    let (client, job) = bench.pair("POST / HTTP/1.1\r\n\r\n").await;
    let (from_front, to_front) = tokio::io::split(client);
    let (from_job_side, to_job_side) = job.into_split();
    let up = tokio::spawn(send_large(to_front));
    let down = tokio::spawn(send_large(to_job_side));
    let at_job = tokio::spawn(receive_large(from_job_side));
    let at_client = timeout(Duration::from_mins(5), receive_large(from_front)).await.unwrap();
    assert_eq!(at_client, (LARGE, down.await.unwrap()));
    assert_eq!(at_job.await.unwrap(), (LARGE, up.await.unwrap()));
}

#[tokio::test]
async fn each_side_may_end_before_the_other() {
    let bench = TestFront::open_to_all().await;
    let (mut client, mut job) = bench.pair("GET / HTTP/1.0\r\n\r\n").await;
    client.shutdown().await.unwrap();
    assert_eq!(soon(read_all(&mut job)).await.unwrap(), "", "the job sees the end");
    job.write_all(b"late answer").await.unwrap();
    drop(job);
    assert_eq!(soon(read_all(&mut client)).await.unwrap(), "late answer");

    let (mut client, mut job) = bench.pair("GET / HTTP/1.0\r\n\r\n").await;
    job.write_all(b"early answer").await.unwrap();
    job.shutdown().await.unwrap();
    assert_eq!(soon(read_all(&mut client)).await.unwrap(), "early answer");
    client.write_all(b"still here").await.unwrap();
    assert_eq!(soon(read_exactly(&mut job, 10)).await, "still here");
    client.shutdown().await.unwrap();
    assert_eq!(soon(read_all(&mut job)).await.unwrap(), "");
}

#[tokio::test]
async fn the_job_notices_that_a_client_has_gone() {
    let bench = TestFront::open_to_all().await;
    let (client, mut job) = bench.pair("GET /events HTTP/1.1\r\n\r\n").await;
    drop(client);
    assert!(matches!(soon(job.read(&mut [0; 10])).await, Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_job_that_dies_does_not_look_like_one_that_has_ended() {
    let bench = TestFront::open_to_all().await;
    let (mut client, mut job) = bench.pair("GET / HTTP/1.1\r\n\r\n").await;
    job.write_all(b"half an ans").await.unwrap();
    assert_eq!(soon(read_exactly(&mut client, 11)).await, "half an ans");
    // This resets the connection, as when a process is killed while data is unread.
    set_socket_linger(&job, Some(Duration::ZERO)).unwrap();
    drop(job);
    let error = soon(read_all(&mut client)).await.unwrap_err();
    assert!(matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_job_that_does_not_listen_is_a_bad_gateway() {
    let TestFront { front, job } = TestFront::open_to_all().await;
    drop(job);
    let mut client = Client::of(&front.endpoint()).connect().await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let answer = soon(read_all(&mut client)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
}

/// The job refuses an upload after its first bytes, and closes while the client still sends the rest.
#[tokio::test]
async fn an_early_answer_reaches_a_client_that_still_sends() {
    let bench = TestFront::open_to_all().await;
    let (client, mut job) = bench.pair("POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\n").await;
    let (mut from_front, mut to_front) = tokio::io::split(client);
    let upload = tokio::spawn(async move {
        let chunk = vec![7; 100_000];
        while to_front.write_all(&chunk).await.is_ok() {}
    });
    let answer = "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\n\r\n";
    job.write_all(answer.as_bytes()).await.unwrap();
    assert_eq!(soon(read_exactly(&mut from_front, answer.len())).await, answer);
    drop(job);
    soon(async { read_all(&mut from_front).await.is_ok() }).await;
    drop(from_front);
    upload.abort();
}
