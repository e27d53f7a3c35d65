//! A server that answers as a test decides, correctly or not, and records each request with its time.

use std::collections::VecDeque;
use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::listening::{Connections, Listening};
use super::message::{Head, answer_head};

/// What the server does with one request.
pub enum Act {
    /// Reads it and answers.
    Answer(Answer),
    /// Reads it, and then decides on the answer; `None` is a connection that is reset.
    Decide(Box<Decision>),
    /// Answers before it has read the body, then reads it to its end.
    AnswerEarly(Answer),
    /// Answers before it has read the body, and reads no more.
    AnswerAndClose(Answer),
    /// Resets the connection after this many bytes of the body.
    Reset(usize),
    /// Reads this many bytes of the body, then nothing more, until the client closes the connection.
    Stall(usize),
    /// Reads it and sends these bytes.
    Raw(&'static str),
}

impl fmt::Debug for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => f.debug_tuple("Answer").field(answer).finish(),
            Self::Decide(_) => f.write_str("Decide"),
            Self::AnswerEarly(answer) => f.debug_tuple("AnswerEarly").field(answer).finish(),
            Self::AnswerAndClose(answer) => f.debug_tuple("AnswerAndClose").field(answer).finish(),
            Self::Reset(bytes) => f.debug_tuple("Reset").field(bytes).finish(),
            Self::Stall(bytes) => f.debug_tuple("Stall").field(bytes).finish(),
            Self::Raw(text) => f.debug_tuple("Raw").field(text).finish(),
        }
    }
}

/// Decides on the answer to a request.
type Decision = dyn FnOnce(&Request) -> Option<Answer> + Send;

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Lines, each with its end.
    pub headers: String,
    /// The content after the head.
    pub body: String,
}

/// An answer with this status and nothing else.
pub fn status(status: u16) -> Answer {
    answer(status, "", "")
}

/// An answer with these header lines and this body.
pub fn answer(status: u16, headers: &str, body: &str) -> Answer {
    Answer { status, headers: headers.to_owned(), body: body.to_owned() }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// The path and the query.
    pub target: String,
    /// The names in lowercase.
    pub headers: Vec<(String, String)>,
    /// What came of the body.
    pub body: Vec<u8>,
    /// Whether all of the body came.
    pub is_whole: bool,
    /// When its head had come.
    pub at: Instant,
}

impl Request {
    /// The value of a header line; `name` is in lowercase.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The value of `token` in the query.
    pub fn token(&self) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix("token="))
    }
}

/// Decides on each request by its head, before its body has come.
type Director = dyn FnMut(&Request) -> Act + Send;

/// A server until it is dropped.
pub struct HttpServer {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    /// Until this is dropped.
    _listening: Listening,
}

struct Shared {
    director: Mutex<Box<Director>>,
    requests: Mutex<Vec<Request>>,
}

impl HttpServer {
    /// Acts in this order, and then answers every request with 200.
    pub fn of(acts: impl Into<VecDeque<Act>>) -> Self {
        Self::start(scripted(acts.into()))
    }

    /// Lets `direct` decide on each request.
    pub fn start(direct: impl FnMut(&Request) -> Act + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), direct)
    }

    /// The same at this address, for instance where another server was.
    pub fn start_at(
        address: SocketAddr,
        direct: impl FnMut(&Request) -> Act + Send + 'static,
    ) -> Self {
        let shared =
            Arc::new(Shared { director: Mutex::new(Box::new(direct)), requests: Mutex::default() });
        let listening = Listening::start(address, {
            let shared = Arc::clone(&shared);
            move |stream, connections| {
                let mut connection =
                    Connection { stream, buffer: Vec::new(), shared: &shared, connections };
                while connection.serve().is_some() {}
            }
        });
        Self { address: listening.address, shared, _listening: listening }
    }

    /// From now on every request is answered with 200.
    pub fn heal(&self) {
        *self.shared.director.lock().unwrap() = Box::new(scripted(VecDeque::new()));
    }

    /// The URL of a target.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// The requests so far. Their bodies may not have come.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The requests that were made after this moment.
    pub fn requests_since(&self, moment: Instant) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.at > moment);
        requests
    }
}

impl fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpServer").field("address", &self.address).finish_non_exhaustive()
    }
}

fn scripted(mut acts: VecDeque<Act>) -> impl FnMut(&Request) -> Act + Send {
    move |_| acts.pop_front().unwrap_or_else(|| Act::Answer(status(200)))
}

struct Connection<'a> {
    stream: TcpStream,
    buffer: Vec<u8>,
    shared: &'a Shared,
    connections: &'a Connections,
}

impl Connection<'_> {
    /// Serves one request. `None` when the connection has ended.
    fn serve(&mut self) -> Option<()> {
        let mut request = self.head()?;
        let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
        let act = self.shared.director.lock().unwrap()(&request);
        let index = self.announce(&request);
        match act {
            Act::Answer(answer) => {
                self.read(index, request, length)?;
                self.answer(&answer)
            }
            Act::Decide(decide) => {
                let request = self.read(index, request, length)?;
                match decide(&request) {
                    Some(answer) => self.answer(&answer),
                    None => self.reset(),
                }
            }
            Act::AnswerEarly(answer) => {
                self.answer(&answer)?;
                self.read(index, request, length).map(drop)
            }
            Act::AnswerAndClose(mut answer) => {
                answer.headers += "Connection: close\r\n";
                self.answer(&answer);
                self.stream.shutdown(Shutdown::Both).ok()?;
                None
            }
            Act::Reset(bytes) => {
                self.take(bytes, &mut request.body);
                self.keep(index, request);
                self.reset()
            }
            Act::Stall(bytes) => {
                self.take(bytes, &mut request.body);
                self.keep(index, request);
                let mut gone = [PollFd::new(&self.stream, PollFlags::RDHUP)];
                rustix::event::poll(&mut gone, None).unwrap();
                None
            }
            Act::Raw(bytes) => {
                self.read(index, request, length)?;
                self.stream.write_all(bytes.as_bytes()).ok()?;
                self.stream.shutdown(Shutdown::Both).ok()?;
                None
            }
        }
    }

    fn head(&mut self) -> Option<Request> {
        let head = loop {
            if let Some(head) = Head::take(&mut self.buffer) {
                break head;
            }
            self.fill()?;
        };
        let (method, target) = head.method_and_target();
        let (headers, at) = (head.headers, Instant::now());
        Some(Request { method, target, headers, body: Vec::new(), is_whole: false, at })
    }

    /// Reads the body, and records the request as far as it came.
    fn read(&mut self, index: usize, mut request: Request, length: usize) -> Option<Request> {
        request.is_whole = self.take(length, &mut request.body).is_some();
        self.keep(index, request.clone());
        request.is_whole.then_some(request)
    }

    /// Records a request whose body has not come. Returns its index.
    fn announce(&self, request: &Request) -> usize {
        let mut requests = self.shared.requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    }

    /// Replaces a recorded request by what has come of it.
    fn keep(&self, index: usize, request: Request) {
        self.shared.requests.lock().unwrap()[index] = request;
    }

    fn take(&mut self, bytes: usize, body: &mut Vec<u8>) -> Option<()> {
        while self.buffer.len() < bytes {
            if self.fill().is_none() {
                body.append(&mut self.buffer);
                return None;
            }
        }
        body.extend(self.buffer.drain(..bytes));
        Some(())
    }

    fn fill(&mut self) -> Option<()> {
        let mut chunk = vec![0; 64 * 1024];
        let read = self.stream.read(&mut chunk).ok()?;
        self.buffer.extend_from_slice(&chunk[..read]);
        (read > 0).then_some(())
    }

    fn answer(&mut self, answer: &Answer) -> Option<()> {
        let Answer { status, headers, body } = answer;
        let text = answer_head(*status, headers, body.len()) + body;
        self.stream.write_all(text.as_bytes()).ok()
    }

    fn reset(&self) -> Option<()> {
        // With the other handle gone, the last one resets the connection when it is dropped.
        let address = self.stream.peer_addr().ok()?;
        self.connections.forget(address);
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
        None
    }
}
