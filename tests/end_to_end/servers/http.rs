//! A server that does what a test says, right or wrong, and remembers what it was sent, and when.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use super::listening::{Connections, Listening};

/// What the server does with one request.
pub(crate) enum Act {
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
    /// Reads so much of the body, then nothing more, until the other side gives up.
    Stall(usize),
    /// Reads it and sends these bytes.
    Raw(&'static str),
}

/// Decides on the answer to a request.
type Decision = dyn FnOnce(&Request) -> Option<Answer> + Send;

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lines, each with its end.
    pub(crate) headers: String,
    pub(crate) body: String,
}

/// An answer with this status and nothing else.
pub(crate) fn status(status: u16) -> Answer {
    answer(status, "", "")
}

/// An answer with these header lines and this body.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Answer {
    Answer { status, headers: headers.to_owned(), body: body.to_owned() }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// The path and the query.
    pub(crate) target: String,
    /// The names in lowercase.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether all of the body came.
    pub(crate) is_whole: bool,
    /// When its head had come.
    pub(crate) at: Instant,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap()
    }

    /// The value of `token` in the query.
    pub(crate) fn token(&self) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix("token="))
    }
}

/// What decides about each request, by its head; its body has not come then.
type Director = dyn FnMut(&Request) -> Act + Send;

pub(crate) struct HttpServer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    /// Until this is dropped.
    _listening: Listening,
}

struct Shared {
    director: Mutex<Box<Director>>,
    requests: Mutex<Vec<Request>>,
}

impl HttpServer {
    /// Acts in this order; grants all further requests.
    pub(crate) fn of(acts: impl Into<VecDeque<Act>>) -> Self {
        Self::start(scripted(acts.into()))
    }

    /// Lets `direct` decide.
    pub(crate) fn start(direct: impl FnMut(&Request) -> Act + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), direct)
    }

    /// The same at this address, for instance where another server was.
    pub(crate) fn start_at(
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

    /// From now on every request is granted.
    pub(crate) fn heal(&self) {
        *self.shared.director.lock().unwrap() = Box::new(scripted(VecDeque::new()));
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// The requests so far. Their bodies may not have come.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The requests that were made after this moment.
    pub(crate) fn requests_since(&self, moment: Instant) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.at > moment);
        requests
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
        let place = self.announce(&request);
        match act {
            Act::Answer(answer) => {
                self.read(place, request, length)?;
                self.answer(&answer)
            }
            Act::Decide(decide) => {
                let request = self.read(place, request, length)?;
                match decide(&request) {
                    Some(answer) => self.answer(&answer),
                    None => self.reset(),
                }
            }
            Act::AnswerEarly(answer) => {
                self.answer(&answer)?;
                self.read(place, request, length).map(drop)
            }
            Act::AnswerAndClose(mut answer) => {
                answer.headers += "Connection: close\r\n";
                self.answer(&answer);
                self.stream.shutdown(Shutdown::Both).ok()?;
                None
            }
            Act::Reset(bytes) => {
                self.take(bytes, &mut request.body);
                self.keep(place, request);
                self.reset()
            }
            Act::Stall(bytes) => {
                self.take(bytes, &mut request.body);
                self.keep(place, request);
                let mut gone = [PollFd::new(&self.stream, PollFlags::RDHUP)];
                rustix::event::poll(&mut gone, None).unwrap();
                None
            }
            Act::Raw(bytes) => {
                self.read(place, request, length)?;
                self.stream.write_all(bytes.as_bytes()).ok()?;
                self.stream.shutdown(Shutdown::Both).ok()?;
                None
            }
        }
    }

    fn head(&mut self) -> Option<Request> {
        let end = loop {
            let end = self.buffer.windows(4).position(|window| window == b"\r\n\r\n");
            if let Some(end) = end {
                break end;
            }
            self.fill()?;
        };
        let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let (headers, at) = (headers.collect(), Instant::now());
        Some(Request { method, target, headers, body: Vec::new(), is_whole: false, at })
    }

    /// Reads the body, and keeps the request as far as it came.
    fn read(&mut self, place: usize, mut request: Request, length: usize) -> Option<Request> {
        request.is_whole = self.take(length, &mut request.body).is_some();
        self.keep(place, request.clone());
        request.is_whole.then_some(request)
    }

    /// Keeps a request whose body has not come. Returns its place.
    fn announce(&self, request: &Request) -> usize {
        let mut requests = self.shared.requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    }

    /// Keeps what has come of it.
    fn keep(&self, place: usize, request: Request) {
        self.shared.requests.lock().unwrap()[place] = request;
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
        let length = body.len();
        let text =
            format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
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
