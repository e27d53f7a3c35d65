//! A connection over HTTP/2: each request becomes one of HTTP/1.1 to the job. Connections to the job are kept for more
//! requests of the same client (`kept`), so that requests of different clients never share one.
//!
//! One task of the runtime serves all requests of a client (`tasks`), and sends small answers together (`together`).
//!
//! Bodies stream both ways. For each request at most three times [`BUFFER`] is kept, and for each
//! connection [`CONNECTION_WINDOW`] of data that its client has sent and the job has not read: with the
//! default limits, at worst 96 MiB for all requests and 512 MiB for all connections; besides, 16 KiB of answers that are sent
//! together for each connection.
//!
//! Headers about the client are neither interpreted nor added: the job gets the headers of the request,
//! without those that are for one connection only, and `Host` from `:authority`. `WebSockets` over HTTP/2
//! (RFC 8441) are not offered, so browsers open them over HTTP/1.1.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{Either, Empty, Full};
use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use self::body::Answer;
use self::kept::{JobConnection, Kept};
use self::tasks::{Running, Tasks};
use self::together::Together;
use super::connection::{ClientConnection, Shared};
use super::pipe::BAD_GATEWAY;

mod body;
mod headers;
mod kept;
mod tasks;
mod together;

/// The buffer for a body in each step, in bytes.
const BUFFER: usize = 64 * 1024;

/// How much of one request body a client may send before the job has read it, in bytes.
const STREAM_WINDOW: u32 = 256 * 1024;

/// How much of all request bodies a client may send before the job has read it, in bytes.
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// The largest number of concurrent requests on one connection.
const MAX_STREAMS: u32 = 100;

/// The largest size of all headers of a request, in bytes.
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// The body of an answer of this front, or of the job.
type Body = Either<Full<Bytes>, Answer>;

/// Serves a connection until it ends.
pub(super) async fn serve(
    client: TlsStream<TcpStream>,
    client_connection: &mut ClientConnection,
) -> io::Result<()> {
    let (tasks, mut running) = Running::new();
    let (first, mut requests) = watch::channel(false);
    let front = Arc::clone(&client_connection.front);
    let kept = Kept::new(Arc::clone(&front.kept));
    tasks.add(kept.clone().close_idle(front.limits.kept_time));
    let job = Job { front, kept, tasks: tasks.clone() };
    let service = service_fn(move |request| {
        first.send_if_modified(|seen| !std::mem::replace(seen, true));
        let job = job.clone();
        async move { Ok::<_, Infallible>(answer(request, &job).await) }
    });
    let client = TokioIo::new(Together::new(client));
    let mut connection = pin!(builder(tasks).serve_connection(client, service));
    let until = Instant::now() + client_connection.front.limits.first_request_time;
    let (mut confirmed, mut stopping) = (false, false);
    let ended = loop {
        let serving = poll_fn(|context| {
            let ended = connection.as_mut().poll(context);
            running.poll(context);
            ended
        });
        tokio::select! {
            ended = serving => break ended,
            _ = requests.wait_for(|seen| *seen), if !confirmed => {
                client_connection.handshake.confirmed();
                confirmed = true;
            }
            () = sleep_until(until), if !confirmed => return Ok(()),
            () = client_connection.stop.requested(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    ended.map_err(io::Error::other)
}

fn builder(tasks: Tasks) -> http2::Builder<Tasks> {
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_send_buf_size(BUFFER)
        .auto_date_header(false);
    builder
}

/// The job, for one client.
#[derive(Clone)]
struct Job {
    front: Arc<Shared>,
    kept: Kept,
    tasks: Tasks,
}

/// The answer of the job, or one that says why there is none.
async fn answer(request: Request<Incoming>, job: &Job) -> Response<Body> {
    match job.forward(request).await {
        Ok(response) => response.map(Either::Right),
        Err(refusal) => refusal.response(),
    }
}

impl Job {
    async fn forward(&self, request: Request<Incoming>) -> Result<Response<Answer>, Refusal> {
        let (head, body) = headers::to_job(request)?.into_parts();
        let permit = self.permit().await?;
        let (connection, response) = if head.method.is_safe() && body.is_end_stream() {
            self.send_repeatable(head).await?
        } else {
            let request = Request::from_parts(head, Either::Left(body));
            self.connect().await?.send(request).await?
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Refusal::NoAnswer);
        }
        let response = headers::to_client(response);
        Ok(response.map(|body| Answer::new(body, connection, self.kept.clone(), permit)))
    }

    /// Waits until one more request may be served.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let permit = Arc::clone(&self.front.requests).acquire_owned();
        let permit = timeout(self.front.limits.connect_time, permit).await;
        permit.ok().and_then(Result::ok).ok_or(Refusal::Busy)
    }

    /// Sends a request without a body: over a kept connection, and when the job has closed that, over a new one.
    async fn send_repeatable(
        &self,
        head: Parts,
    ) -> Result<(JobConnection, Response<Incoming>), Refusal> {
        let request = |head| Request::from_parts(head, Either::Right(Empty::new()));
        if let Some(connection) = self.kept.take()
            && let Ok(answered) = connection.send(request(head.clone())).await
        {
            return Ok(answered);
        }
        self.connect().await?.send(request(head)).await
    }

    /// A new connection to the job.
    async fn connect(&self) -> Result<JobConnection, Refusal> {
        let job = self.front.connect().await.ok_or(Refusal::Unreachable)?;
        JobConnection::over(job, &self.tasks).await
    }
}

/// Why a request was not answered by the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    /// A request of HTTP/2 that cannot be expressed in HTTP/1.1.
    NotHttp1,
    /// Too many requests at a time.
    Busy,
    /// The job does not listen.
    Unreachable,
    /// The job has closed the connection, or its answer is not HTTP.
    NoAnswer,
}

impl Refusal {
    fn response(self) -> Response<Body> {
        let (status, text) = match self {
            Self::NotHttp1 => (
                StatusCode::BAD_REQUEST,
                "the request has no usable host, or a method that is not passed on\n",
            ),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many requests at a time\n"),
            Self::Unreachable => (StatusCode::BAD_GATEWAY, BAD_GATEWAY),
            Self::NoAnswer => (StatusCode::BAD_GATEWAY, "the job has given no answer\n"),
        };
        let mut response = Response::new(Either::Left(Full::from(text)));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}
