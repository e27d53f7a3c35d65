//! A server for inputs: files by path, with what can go wrong on the way.

mod answer;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::http::Request;
use super::listening::Listening;

/// A file, and how it is served.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Served {
    content: Arc<Vec<u8>>,
    /// The answers to the first requests, by status.
    refusals: Vec<u16>,
    /// The first answer ends after this many bytes of the file.
    breaks_after: Option<usize>,
    hides_length: bool,
    hides_ranges: bool,
    redirects_to: Option<String>,
    /// How long it waits before each piece of 64 KiB.
    pause: Duration,
    /// Nothing is answered before this many requests are there at the same time.
    waits_for: usize,
    never_answers: bool,
}

impl Served {
    /// A file that is served without a fault.
    pub fn new(content: impl Into<Vec<u8>>) -> Self {
        Self { content: Arc::new(content.into()), ..Self::default() }
    }

    /// Only this status, always.
    pub fn refused(status: u16) -> Self {
        Self::default().refusing(usize::from(u8::MAX), status)
    }

    /// A redirect to another URL.
    pub fn redirecting(to: impl Into<String>) -> Self {
        Self { redirects_to: Some(to.into()), ..Self::default() }
    }

    /// No answer at all: the connection stays open.
    pub fn silent() -> Self {
        Self { never_answers: true, ..Self::default() }
    }

    /// Answers the first requests with this status.
    pub fn refusing(mut self, times: usize, status: u16) -> Self {
        self.refusals = vec![status; times];
        self
    }

    /// Cuts the first answer off after this many bytes of the file.
    pub fn breaking_after(self, bytes: usize) -> Self {
        Self { breaks_after: Some(bytes), ..self }
    }

    /// Sends it in chunks, without its length.
    pub fn without_length(self) -> Self {
        Self { hides_length: true, ..self }
    }

    /// Always sends it from its beginning.
    pub fn without_ranges(self) -> Self {
        Self { hides_ranges: true, ..self }
    }

    /// Waits this long before each piece of 64 KiB.
    pub fn slow(self, pause: Duration) -> Self {
        Self { pause, ..self }
    }

    /// Answers only when this many requests are there at the same time, or after some seconds.
    pub fn waiting_for(self, requests: usize) -> Self {
        Self { waits_for: requests, ..self }
    }
}

/// A server until it is dropped.
#[derive(Debug)]
pub struct InputServer {
    shared: Arc<Shared>,
    listening: Listening,
}

#[derive(Debug, Default)]
struct Shared {
    files: HashMap<String, Served>,
    seen: Mutex<Seen>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Vec<Request>,
    now: usize,
    peak: usize,
}

impl InputServer {
    /// Serves a fixed list of files; everything else is not found.
    pub fn start<const COUNT: usize>(files: [(&str, Served); COUNT]) -> Self {
        Self::of(files.map(|(path, file)| (path.to_owned(), file)))
    }

    /// Serves these files; everything else is not found.
    pub fn of(files: impl IntoIterator<Item = (String, Served)>) -> Self {
        let files = files.into_iter().collect();
        let shared = Arc::new(Shared { files, ..Shared::default() });
        let listening = Listening::start((Ipv4Addr::LOCALHOST, 0).into(), {
            let shared = Arc::clone(&shared);
            move |stream, _| serve(&stream, &shared)
        });
        Self { shared, listening }
    }

    /// The URL of a target.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.listening.address)
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().requests.clone()
    }

    /// How many requests there were for this path.
    pub fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|request| request.path() == path).count()
    }

    /// How many requests there were at the same time, at most.
    pub fn peak(&self) -> usize {
        self.shared.seen.lock().unwrap().peak
    }

    /// Waits for a request for this path.
    #[track_caller]
    pub fn wait_for(&self, path: &str) {
        let is_missing = |seen: &mut Seen| !seen.requests.iter().any(|one| one.path() == path);
        let seen = self.shared.seen.lock().unwrap();
        let (_seen, waited) =
            self.shared.came.wait_timeout_while(seen, Duration::from_secs(30), is_missing).unwrap();
        assert!(!waited.timed_out(), "no request for `{path}`");
    }
}

/// Serves one request; a client connects again for the next one.
fn serve(stream: &TcpStream, shared: &Shared) {
    let Some(request) = head(stream) else { return };
    let (number, file) = shared.enter(&request);
    if let Some(file) = &file {
        shared.wait_for_company(file.waits_for);
        // A client may have gone away.
        let _ = answer::send(stream, &request, file, number);
    } else {
        let _ = answer::refuse(stream, 404);
    }
    shared.seen.lock().unwrap().now -= 1;
    let _ = stream.shutdown(Shutdown::Both);
}

impl Shared {
    /// Counts a request. Returns how many there were for its path before, and the file.
    fn enter(&self, request: &Request) -> (usize, Option<Served>) {
        let mut seen = self.seen.lock().unwrap();
        let before = seen.requests.iter().filter(|one| one.path() == request.path()).count();
        seen.requests.push(request.clone());
        seen.now += 1;
        seen.peak = seen.peak.max(seen.now);
        self.came.notify_all();
        (before, self.files.get(request.path()).cloned())
    }

    fn wait_for_company(&self, wanted: usize) {
        let seen = self.seen.lock().unwrap();
        let is_alone = |seen: &mut Seen| seen.peak < wanted;
        let _ = self.came.wait_timeout_while(seen, Duration::from_secs(5), is_alone).unwrap();
    }
}

fn head(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    });
    let (headers, at) = (headers.collect(), Instant::now());
    Some(Request { method, target, headers, body: Vec::new(), is_whole: true, at })
}
