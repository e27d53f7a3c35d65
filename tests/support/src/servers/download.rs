//! A server for downloads, for tests that have a runtime of their own: it has contents and faults, and records each
//! request.
//!
//! [`super::inputs`] is the same for tests that start a program.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use url::Url;

use super::message::{Head, answer_head, in_order};

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers with this status, these header lines and this body.
    Answer(u16, String, Vec<u8>),
    /// Answers with these bytes and closes the connection.
    Raw(Vec<u8>),
    /// Answers with these bytes and then nothing more, while the connection stays open.
    Hang(Vec<u8>),
    /// Answers with this many zeros.
    Zeros(u64),
    /// The content, or the part of it that was requested.
    Content {
        /// All of it.
        content: Vec<u8>,
        /// Its tag.
        etag: &'static str,
        /// The connection breaks after this many bytes of the body.
        at_most: usize,
    },
}

/// An empty answer.
pub fn status(status: u16) -> Act {
    Act::Answer(status, String::new(), Vec::new())
}

/// A whole content without a tag.
pub fn plain(body: &[u8]) -> Act {
    Act::Answer(200, String::new(), body.to_vec())
}

/// A content with a tag, as a whole or the part that was requested.
pub fn content(content: &[u8], etag: &'static str) -> Act {
    Act::Content { content: content.to_vec(), etag, at_most: usize::MAX }
}

/// The same, but the connection breaks after this many bytes.
pub fn broken(content: &[u8], etag: &'static str, at_most: usize) -> Act {
    Act::Content { content: content.to_vec(), etag, at_most }
}

/// A redirect.
pub fn redirect(to: &str) -> Act {
    Act::Answer(302, format!("Location: {to}\r\n"), Vec::new())
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// The target of the request.
    pub path: String,
    headers: HashMap<String, String>,
}

impl Request {
    /// The value of a header line; `name` is in lowercase.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

type Director = dyn Fn(&Request) -> Act + Send + Sync;

/// A server until the runtime of the test ends.
#[derive(Debug)]
pub struct Server {
    /// The URL of a file.
    pub url: Url,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    requests: Mutex<Vec<Request>>,
    sent: AtomicUsize,
    now: AtomicUsize,
    peak: AtomicUsize,
    arrived: Notify,
}

impl Server {
    /// Acts in this order. The last act is for all further requests, too.
    pub async fn of(acts: Vec<Act>) -> Self {
        Self::start(in_order(acts)).await
    }

    /// Lets `direct` decide on each request.
    pub async fn start(direct: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, direct): (Arc<State>, Arc<Director>) = (Arc::default(), Arc::new(direct));
        let kept = state.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (state, direct) = (kept.clone(), direct.clone());
                tokio::spawn(async move {
                    while let Some(request) = read(&mut stream).await {
                        let now = state.now.fetch_add(1, Ordering::SeqCst) + 1;
                        state.peak.fetch_max(now, Ordering::SeqCst);
                        state.requests.lock().unwrap().push(request.clone());
                        state.arrived.notify_waiters();
                        let goes_on = act(&mut stream, &request, direct(&request), &state).await;
                        state.now.fetch_sub(1, Ordering::SeqCst);
                        if goes_on.is_none() {
                            break;
                        }
                    }
                });
            }
        });
        Self { url: Url::parse(&format!("http://{address}/file")).unwrap(), state }
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().unwrap().clone()
    }

    /// The number of bytes of contents that were sent.
    pub fn sent(&self) -> usize {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// The most requests at one time.
    pub fn peak(&self) -> usize {
        self.state.peak.load(Ordering::SeqCst)
    }

    /// Waits until this many requests have come.
    pub async fn arrived(&self, count: usize) {
        loop {
            let more = self.state.arrived.notified();
            tokio::pin!(more);
            more.as_mut().enable();
            if self.requests().len() >= count {
                return;
            }
            more.await;
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut buffer = Vec::new();
    let head = loop {
        buffer.push(stream.read_u8().await.ok()?);
        if let Some(head) = Head::take(&mut buffer) {
            break head;
        }
    };
    let (_, path) = head.method_and_target();
    Some(Request { path, headers: head.headers.into_iter().collect() })
}

/// `None` closes the connection.
async fn act(stream: &mut TcpStream, request: &Request, act: Act, state: &State) -> Option<()> {
    match act {
        Act::Answer(status, headers, body) => {
            answer(stream, status, &headers, body.len(), &body).await
        }
        Act::Raw(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            None
        }
        Act::Hang(bytes) => {
            stream.write_all(&bytes).await.ok()?;
            // Until the client closes the connection.
            while stream.read_u8().await.is_ok() {}
            None
        }
        Act::Zeros(bytes) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.ok()?;
            tokio::io::copy(&mut tokio::io::repeat(0).take(bytes), stream).await.ok().map(drop)
        }
        Act::Content { content, etag, at_most } => {
            let tag = format!("ETag: {etag}\r\n");
            if request.header("if-none-match") == Some(etag) {
                return answer(stream, 304, &tag, 0, b"").await;
            }
            let from = request.header("range").filter(|_| request.header("if-range") == Some(etag));
            let from = from.map(|range| {
                let first = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
                first.parse::<usize>().unwrap()
            });
            let (all, last) = (content.len(), content.len() - 1);
            let (status, headers) = match from {
                Some(first) => (206, format!("{tag}Content-Range: bytes {first}-{last}/{all}\r\n")),
                None => (200, tag),
            };
            let body = &content[from.unwrap_or(0)..];
            let sent = &body[..body.len().min(at_most)];
            state.sent.fetch_add(sent.len(), Ordering::SeqCst);
            answer(stream, status, &headers, body.len(), sent).await?;
            (sent.len() == body.len()).then_some(())
        }
    }
}

async fn answer(
    stream: &mut TcpStream,
    status: u16,
    headers: &str,
    length: usize,
    body: &[u8],
) -> Option<()> {
    let head = answer_head(status, headers, length);
    stream.write_all(&[head.as_bytes(), body].concat()).await.ok()
}
