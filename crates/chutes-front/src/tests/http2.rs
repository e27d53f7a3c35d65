//! Requests over HTTP/2, with the client of hyper.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, poll_fn};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http2::SendRequest;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;

use super::*;

mod kept;

type Part = Result<Frame<Bytes>, io::Error>;
type Parts = BoxStream<'static, Part>;
type Sender = SendRequest<StreamBody<Parts>>;

async fn connect(bench: &TestFront) -> Sender {
    connect_for(bench).await
}

/// A client whose requests have bodies of this type.
async fn connect_for<B>(bench: &TestFront) -> SendRequest<B>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    B: Send + Unpin + 'static,
{
    let client = Client { protocols: &["h2", "http/1.1"], ..Client::of(&bench.front.endpoint()) };
    let stream = client.connect().await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    sender
}

/// A request whose body is sent through the channel.
fn request(method: &str) -> (mpsc::Sender<Part>, Request<StreamBody<Parts>>) {
    let (sender, mut parts) = mpsc::channel(1);
    let parts = poll_fn(move |context| parts.poll_recv(context)).boxed();
    let request = Request::builder().method(method).uri("https://run.example/path?q=1");
    (sender, request.body(StreamBody::new(parts)).unwrap())
}

/// Sends a request without a body. Returns the pending answer, the connection of the job, and the head that
/// the job has read.
async fn start_request(bench: &TestFront, method: &str) -> (PendingAnswer, TcpStream, String) {
    let mut sender = connect(bench).await;
    let (body, request) = request(method);
    drop(body);
    let answer = tokio::spawn(async move { sender.send_request(request).await });
    let mut job = soon(bench.accept()).await;
    let head = soon(read_head(&mut job)).await;
    (answer, job, head)
}

type PendingAnswer = tokio::task::JoinHandle<Result<Response<Incoming>, hyper::Error>>;

async fn read_head(job: &mut TcpStream) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        head.push(char::from(job.read_u8().await.unwrap()));
    }
    head
}

#[tokio::test]
async fn answers_are_passed_on() {
    let check = async |method: &str, answer_text: &str, status: u16, body: &str| {
        let bench = TestFront::open_to_all().await;
        let (answer, mut job, head) = start_request(&bench, method).await;
        assert!(head.starts_with(&format!("{method} /path?q=1 HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("host: run.example\r\n"), "{head}");
        job.write_all(answer_text.as_bytes()).await.unwrap();
        let answer = soon(answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), status);
        assert!(!answer.headers().contains_key("connection"));
        let bytes = soon(answer.into_body().collect()).await.unwrap().to_bytes();
        assert_eq!(bytes, body, "{answer_text}");
    };
    check("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", 200, "hi")
        .await;
    check("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, "").await;
    check("GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "").await;
    check(
        "GET",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        404,
        "",
    )
    .await;
    check(
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        200,
        "hi",
    )
    .await;
    check("GET", "this is not HTTP\r\n\r\n", 502, "the job has given no answer\n").await;
    check("GET", "HTTP/1.1 101 Switching Protocols\r\n\r\n", 502, "the job has given no answer\n")
        .await;
}

#[tokio::test]
async fn trailers_are_passed_on() {
    let bench = TestFront::open_to_all().await;
    let (answer, mut job, _) = start_request(&bench, "GET").await;
    let answer_text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n";
    job.write_all(answer_text.as_bytes()).await.unwrap();
    let body = soon(answer).await.unwrap().unwrap().into_body();
    let whole = soon(body.collect()).await.unwrap();
    assert_eq!(whole.trailers().and_then(|trailers| trailers.get("x-sum")).unwrap(), "7");
}

#[tokio::test]
async fn bodies_stream_both_ways() {
    let bench = TestFront::open_to_all().await;
    let mut sender = connect(&bench).await;
    let (upload, request) = request("POST");
    let answer = tokio::spawn(async move { sender.send_request(request).await });
    let mut job = soon(bench.accept()).await;
    let head = soon(read_head(&mut job)).await;
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    let begin = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    job.write_all(begin.as_bytes()).await.unwrap();
    let mut body = soon(answer).await.unwrap().unwrap().into_body();
    for number in 100..200 {
        let event = format!("data: {number}\n\n");
        upload.send(Ok(Frame::data(event.clone().into()))).await.unwrap();
        let chunk = format!("B\r\n{event}\r\n");
        assert_eq!(soon(read_exactly(&mut job, chunk.len())).await, chunk);
        job.write_all(event.as_bytes()).await.unwrap();
        let frame = soon(body.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), event);
    }
    drop(upload);
    assert_eq!(soon(read_exactly(&mut job, 5)).await, "0\r\n\r\n");
    drop(job);
    assert_eq!(soon(body.collect()).await.unwrap().to_bytes(), "");
}

#[tokio::test]
async fn large_answers_arrive_whole() {
    let bench = TestFront::open_to_all().await;
    let (answer, mut job, _) = start_request(&bench, "GET").await;
    let size = 16 * 1024 * 1024;
    let sending = tokio::spawn(async move {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        job.write_all(head.as_bytes()).await.unwrap();
        job.write_all(&vec![7; size]).await.unwrap();
    });
    let body = soon(answer).await.unwrap().unwrap().into_body();
    let bytes = soon(body.collect()).await.unwrap().to_bytes();
    assert!(bytes.len() == size && bytes.iter().all(|byte| *byte == 7));
    sending.await.unwrap();
}

/// A client that does not read stops the job, and no buffer grows without limit.
#[tokio::test]
async fn a_client_that_stops_reading_stops_the_job() {
    let bench = TestFront::open_to_all().await;
    let (answer, mut job, _) = start_request(&bench, "GET").await;
    job.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let answer = soon(answer).await.unwrap().unwrap();
    let chunk = vec![7; 1024 * 1024];
    let mut sent = 0;
    // The buffers of the system, of this client and of the front take some megabytes, then nothing.
    while let Ok(written) = timeout(Duration::from_secs(1), job.write(&chunk)).await {
        sent += written.unwrap();
        assert!(sent < 64 * 1024 * 1024, "{sent} bytes are somewhere");
    }
    drop(answer);
    let end = async { while job.write_all(&chunk).await.is_ok() {} };
    soon(end).await;
}

#[tokio::test]
async fn a_cancelled_request_ends_at_the_job() {
    let bench = TestFront::open_to_all().await;
    let (answer, mut job, _) = start_request(&bench, "GET").await;
    answer.abort();
    assert_eq!(soon(job.read(&mut [0; 10])).await.unwrap_or(0), 0, "before the answer");

    let (answer, mut job, _) = start_request(&bench, "GET").await;
    job.write_all(b"HTTP/1.1 200 OK\r\n\r\nbegin").await.unwrap();
    let mut answer = soon(answer).await.unwrap().unwrap();
    soon(answer.body_mut().frame()).await.unwrap().unwrap();
    drop(answer);
    assert_eq!(soon(job.read(&mut [0; 10])).await.unwrap_or(0), 0, "in the middle of it");
}

#[tokio::test]
async fn a_job_that_dies_breaks_the_answer() {
    let bench = TestFront::open_to_all().await;
    let (answer, mut job, _) = start_request(&bench, "GET").await;
    job.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await.unwrap();
    let answer = soon(answer).await.unwrap().unwrap();
    drop(job);
    assert!(soon(answer.into_body().collect()).await.is_err());

    let (answer, job, _) = start_request(&bench, "GET").await;
    drop(job);
    assert_eq!(soon(answer).await.unwrap().unwrap().status(), 502);
}

#[tokio::test]
async fn a_job_that_does_not_listen_is_a_bad_gateway() {
    let TestFront { front, job } = TestFront::open_to_all().await;
    let address = job.local_addr().unwrap();
    drop(job);
    // The port of the job stays closed for the rest of this test.
    let bench = TestFront { front, job: TcpListener::bind("127.0.0.1:0").await.unwrap() };
    assert_ne!(bench.job.local_addr().unwrap(), address);
    let mut sender = connect(&bench).await;
    let (body, request) = request("GET");
    drop(body);
    let answer = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 502);
}

#[tokio::test]
async fn requests_wait_for_a_permit_and_are_refused_after_a_timeout() {
    let connect_time = Duration::from_millis(50);
    let limits = FrontLimits { requests: 1, connect_time, ..FrontLimits::default() };
    let bench = TestFront::new(None, limits).await;
    let (first, mut job, _) = start_request(&bench, "GET").await;
    let mut sender = connect(&bench).await;
    let (body, second) = request("GET");
    drop(body);
    assert_eq!(soon(sender.send_request(second)).await.unwrap().status(), 503);
    job.write_all(b"HTTP/1.1 204 No\r\n\r\n").await.unwrap();
    assert_eq!(soon(first).await.unwrap().unwrap().status(), 204);
}

#[tokio::test]
async fn answers_are_finished_before_the_front_ends() {
    let bench = TestFront::open_to_all().await;
    let (answer, mut job, _) = start_request(&bench, "GET").await;
    job.write_all(b"HTTP/1.1 200 OK\r\n\r\nlast words").await.unwrap();
    drop(job);
    let collected = async { soon(answer).await.unwrap().unwrap().into_body().collect().await };
    let (whole, ()) = soon(async { tokio::join!(collected, bench.front.stop()) }).await;
    assert_eq!(whole.unwrap().to_bytes(), "last words");
}

#[tokio::test]
async fn other_requests_go_on_while_one_waits() {
    let bench = TestFront::open_to_all().await;
    let sender = connect(&bench).await;
    let mut jobs = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let (body, request) = request("GET");
        drop(body);
        let mut sender = sender.clone();
        answers.push(tokio::spawn(async move { sender.send_request(request).await }));
        let mut job = soon(bench.accept()).await;
        read_head(&mut job).await;
        jobs.push(job);
    }
    let mut jobs = futures_util::stream::iter(jobs.into_iter().zip(answers).rev());
    while let Some((mut job, answer)) = jobs.next().await {
        job.write_all(b"HTTP/1.1 204 No\r\n\r\n").await.unwrap();
        assert_eq!(soon(answer).await.unwrap().unwrap().status(), 204);
    }
}

/// A body whose length is two bytes ends after two bytes, so that the job does not take the rest for
/// another request.
#[tokio::test]
async fn a_body_that_is_longer_than_it_says_is_no_second_request() {
    let bench = TestFront::open_to_all().await;
    let mut sender = connect(&bench).await;
    let (body, mut request) = request("POST");
    request.headers_mut().insert("content-length", "2".parse().unwrap());
    let answer = tokio::spawn(async move { sender.send_request(request).await });
    let mut job = soon(bench.accept()).await;
    let head = soon(read_head(&mut job)).await;
    assert!(head.contains("content-length: 2\r\n"), "{head}");
    let rest = Bytes::from_static(b"hiGET /second HTTP/1.1\r\nhost: a\r\n\r\n");
    body.send(Ok(Frame::data(rest))).await.unwrap();
    drop(body);
    let mut read = Vec::new();
    // The connection may be lost rather than ended.
    let _ = soon(job.read_to_end(&mut read)).await;
    assert!(b"hi".starts_with(&read), "{:?}", String::from_utf8_lossy(&read));
    assert!(soon(answer).await.unwrap().is_err());
}

/// A client that sends and cancels requests again and again does not keep other clients out.
#[tokio::test]
async fn cancelled_requests_release_their_permits() {
    let limits = FrontLimits { requests: 2, ..FrontLimits::default() };
    let bench = TestFront::new(None, limits).await;
    let clients = async {
        for _ in 0..5 {
            let mut rapid = connect(&bench).await;
            for _ in 0..50 {
                let (_body, request) = request("POST");
                let pending = rapid.send_request(request);
                // The request is cancelled while it is being served, or the front has already closed the
                // connection.
                let _ = tokio::time::timeout(Duration::from_millis(1), pending).await;
            }
        }
        let mut sender = connect(&bench).await;
        let (body, request) = request("GET");
        drop(body);
        soon(sender.send_request(request)).await.unwrap().status()
    };
    tokio::select! {
        status = clients => assert_eq!(status, 200),
        never = answer_all(&bench) => match never {},
    }
}

/// A job that answers every request whose connection is still open.
async fn answer_all(bench: &TestFront) -> Infallible {
    loop {
        let mut job = bench.accept().await;
        tokio::spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = job.read_u8().await else { return };
                head.push(byte);
            }
            // The request may have been cancelled meanwhile.
            let _ = job.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
        });
    }
}
