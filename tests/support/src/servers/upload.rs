//! A server for uploads, for tests that have a runtime of their own: it answers as a test decides, correctly or not,
//! and records each request.
//!
//! [`super::http`] is the same for tests that start a program.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use url::Url;

use super::message::{Head, answer_head, in_order};

/// What the server does with one request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Reads it and answers with this status, these header lines and this body.
    Answer(u16, String, String),
    /// Answers before it has read the body, then reads it to its end.
    AnswerEarly(u16),
    /// Answers before it has read the body, and reads no more.
    AnswerAndClose(u16),
    /// Resets the connection after this many bytes of the body.
    Reset(usize),
    /// Reads this many bytes of the body, then nothing more.
    Stall(usize),
    /// Reads the request and answers with these bytes.
    Raw(String),
    /// Reads the request and answers 200 as soon as enough other requests wait in the same meeting.
    Meet(Arc<Meeting>),
}

/// Where requests wait for each other.
#[derive(Debug)]
pub struct Meeting {
    together: Barrier,
    waiting: AtomicUsize,
    most: AtomicUsize,
}

impl Meeting {
    /// A meeting of this many requests.
    pub fn of(number: usize) -> Arc<Self> {
        let (waiting, most) = Default::default();
        Arc::new(Self { together: Barrier::new(number), waiting, most })
    }

    /// The most requests at one time that had come and were not answered.
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    async fn wait(&self) {
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(waiting, Ordering::SeqCst);
        self.together.wait().await;
        // If the client sent one request too many, it would come in this time.
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Answers with this status and nothing else.
pub fn answer(status: u16) -> Act {
    Act::Answer(status, String::new(), String::new())
}

/// Answers with this status and body.
pub fn answer_with(status: u16, body: impl Into<String>) -> Act {
    Act::Answer(status, String::new(), body.into())
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The first line.
    pub line: String,
    /// The names in lowercase, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The content after the head.
    pub body: Vec<u8>,
    /// The number of its connection.
    pub connection: usize,
}

impl Request {
    /// The value of a header line, which has to be the only one of its name; `name` is in lowercase.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "more than one {name}");
        value
    }
}

/// Decides on each request.
type Director = dyn Fn(&Request) -> Act + Send + Sync;

/// A server until the runtime of the test ends.
#[derive(Debug)]
pub struct Server {
    /// The URL that requests go to.
    pub url: Url,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Acts in this order. The last act is for all further requests, too.
    pub async fn of(acts: Vec<Act>) -> Self {
        Self::start(in_order(acts)).await
    }

    /// Lets `direct` decide by the head of the request; its body has not come then.
    pub async fn start(direct: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, director) = (Arc::new(Mutex::new(Vec::new())), Arc::new(direct));
        let kept = requests.clone();
        tokio::spawn(async move {
            for number in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (kept, director) = (kept.clone(), director.clone());
                tokio::spawn(async move {
                    let mut server = Connection { stream, buffer: Vec::new(), kept, number };
                    while server.serve(&*director).await.is_some() {}
                });
            }
        });
        Self { url: Url::parse(&format!("http://{address}/path")).unwrap(), requests }
    }

    /// The requests so far whose body has come, too.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    kept: Arc<Mutex<Vec<Request>>>,
    number: usize,
}

impl Connection {
    /// Serves one request. `None` when the connection has ended.
    async fn serve(&mut self, direct: &Director) -> Option<()> {
        let mut request = self.head().await?;
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        match direct(&request) {
            Act::Answer(status, headers, body) => {
                request.body = self.take(length).await?;
                self.kept.lock().unwrap().push(request);
                self.answer(status, &headers, &body).await
            }
            Act::AnswerEarly(status) => {
                self.answer(status, "", "").await?;
                request.body = self.take(length).await?;
                self.kept.lock().unwrap().push(request);
                Some(())
            }
            Act::AnswerAndClose(status) => {
                self.answer(status, "Connection: close\r\n", "no").await?;
                None
            }
            Act::Reset(bytes) => {
                self.take(bytes).await?;
                self.stream.set_zero_linger().unwrap();
                None
            }
            Act::Stall(bytes) => {
                self.take(bytes).await?;
                std::future::pending().await
            }
            Act::Raw(text) => {
                request.body = self.take(length).await?;
                self.kept.lock().unwrap().push(request);
                self.stream.write_all(text.as_bytes()).await.ok()?;
                None
            }
            Act::Meet(meeting) => {
                request.body = self.take(length).await?;
                self.kept.lock().unwrap().push(request);
                meeting.wait().await;
                self.answer(200, "", "").await
            }
        }
    }

    async fn head(&mut self) -> Option<Request> {
        let Head { line, headers } = loop {
            if let Some(head) = Head::take(&mut self.buffer) {
                break head;
            }
            self.fill().await?;
        };
        Some(Request { line, headers, body: Vec::new(), connection: self.number })
    }

    async fn take(&mut self, bytes: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < bytes {
            self.fill().await?;
        }
        Some(self.buffer.drain(..bytes).collect())
    }

    async fn fill(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(())
    }

    async fn answer(&mut self, status: u16, headers: &str, body: &str) -> Option<()> {
        let answer = answer_head(status, headers, body.len()) + body;
        self.stream.write_all(answer.as_bytes()).await.ok()
    }
}
