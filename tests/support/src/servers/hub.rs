//! A server that speaks the API of the Hugging Face Hub, as far as a download needs it, for the files
//! of a folder.
//!
//! The folder has `models/OWNER/NAME/…`, `datasets/…` and `spaces/…`. Files that end with `.bin` are
//! large files (LFS), all others are of Git.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// How the server differs from a simple public one.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// How many entries a page of a list has.
    pub page_size: usize,
    /// The token that requests need, except to the content network; `None` is public.
    pub token: Option<String>,
    /// Answers a request for a large file with a redirect to the content network.
    pub redirects: bool,
    /// Names that every list has besides the files of the folder. They may be invalid.
    pub more_names: Vec<String>,
    /// What every page names as the URL of the next page.
    pub next_page: Option<String>,
    /// The first request whose target contains this text is answered with this status.
    pub fails_once: Option<(String, u16)>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            page_size: 1_000,
            token: None,
            redirects: false,
            more_names: Vec::new(),
            next_page: None,
            fails_once: None,
        }
    }
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubRequest {
    /// The path in percent-encoding, and the query.
    pub target: String,
    /// The header line `authorization`.
    pub authorization: Option<String>,
    /// The header line `range`.
    pub range: Option<String>,
    /// The status of the answer.
    pub status: u16,
}

/// The server. It ends when it is dropped.
#[derive(Debug)]
pub struct HubServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    address: SocketAddr,
    folder: PathBuf,
    behaviour: Mutex<Behaviour>,
    requests: Mutex<Vec<HubRequest>>,
    is_closed: AtomicBool,
}

/// The commit of `main` in every repository of this name.
pub fn commit(id: &str) -> String {
    let mut commit = hexadecimal(id.as_bytes());
    commit.truncate(40);
    commit
}

impl HubServer {
    /// Serves this folder.
    pub fn start(folder: &Path, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            address,
            folder: folder.to_owned(),
            behaviour: Mutex::new(behaviour),
            requests: Mutex::default(),
            is_closed: AtomicBool::new(false),
        });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.is_closed.load(Ordering::SeqCst) {
                        return;
                    }
                    let (stream, shared) = (stream.unwrap(), Arc::clone(&shared));
                    thread::spawn(move || serve(&stream, &shared));
                }
            }
        });
        Self { address, shared, accepting: Some(accepting) }
    }

    /// The value for `HF_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in the order in which they were answered.
    pub fn requests(&self) -> Vec<HubRequest> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for HubServer {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
        self.accepting.take().map(JoinHandle::join);
    }
}

struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

impl Request {
    fn read(stream: &TcpStream) -> Option<Self> {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let line = lines.next()?;
        let mut words = line.split(' ').map(str::to_owned);
        let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        Some(Self { method: words.next()?, target: words.next()?, headers: headers.collect() })
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
    }

    fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    /// Lines, each with its end.
    headers: String,
    body: Vec<u8>,
}

impl Answer {
    fn new(status: u16, headers: String, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers, body: body.into() }
    }

    fn error(status: u16, message: &str) -> Self {
        let headers = format!("X-Error-Message: {message}\r\n");
        Self::new(status, headers, json!({ "error": message }).to_string())
    }
}

fn serve(mut stream: &TcpStream, shared: &Shared) {
    let Some(request) = Request::read(stream) else { return };
    let answer = shared.answer(&request);
    shared.requests.lock().unwrap().push(HubRequest {
        target: request.target.clone(),
        authorization: request.header("authorization"),
        range: request.header("range"),
        status: answer.status,
    });
    let Answer { status, headers, body } = answer;
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n"
    );
    let body: &[u8] = if request.method == "HEAD" { b"" } else { &body };
    // A client may have gone away.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
    let _ = stream.shutdown(Shutdown::Write);
}

impl Shared {
    fn answer(&self, request: &Request) -> Answer {
        if let Some(status) = self.failure(&request.target) {
            return Answer::error(status, "as the test wants it");
        }
        let path = request.target.split('?').next().unwrap();
        let Some(segments) = path.split('/').skip(1).map(decoded).collect::<Option<Vec<_>>>()
        else {
            return Answer::error(400, "not a path");
        };
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        if let ["cdn", kind, owner, name, file @ ..] = &segments[..] {
            return self.content(request, &self.folder.join(kind).join(owner).join(name), file);
        }
        let token = self.behaviour.lock().unwrap().token.clone();
        if token
            .is_some_and(|token| request.header("authorization") != Some(format!("Bearer {token}")))
        {
            // The Hub does not distinguish private repositories from those that do not exist.
            return Answer::error(401, "Invalid username or password.");
        }
        match &segments[..] {
            ["api", kind, owner, name, "revision", revision] => {
                self.at(kind, owner, name, revision, |_, id| {
                    let body = json!({ "id": id, "sha": commit(id), "private": false });
                    Answer::new(200, String::new(), body.to_string())
                })
            }
            ["api", kind, owner, name, "tree", revision] => {
                self.at(kind, owner, name, revision, |folder, _| self.tree(request, folder))
            }
            [kind @ ("datasets" | "spaces"), owner, name, "resolve", revision, file @ ..] => {
                self.resolve(request, kind, &[owner, name], revision, file)
            }
            [owner, name, "resolve", revision, file @ ..] => {
                self.resolve(request, "models", &[owner, name], revision, file)
            }
            _ => Answer::error(404, "Not Found"),
        }
    }

    /// The status of the failure that the test wants, once.
    fn failure(&self, target: &str) -> Option<u16> {
        let mut behaviour = self.behaviour.lock().unwrap();
        let failure = behaviour.fails_once.take_if(|(part, _)| target.contains(part.as_str()));
        failure.map(|(_, status)| status)
    }

    /// Answers for a repository if it exists and has this revision.
    fn at(
        &self,
        kind: &str,
        owner: &str,
        name: &str,
        revision: &str,
        answer: impl FnOnce(&Path, &str) -> Answer,
    ) -> Answer {
        let id = format!("{owner}/{name}");
        let folder = self.folder.join(kind).join(&id);
        if !folder.is_dir() {
            return Answer::error(404, "Repository not found");
        }
        // A branch with a slash comes as one segment.
        let branches = ["main", "refs/pr/1", "fix#1", "50%25?=größe&{a}"];
        if !branches.contains(&revision) && revision != commit(&id) {
            return Answer::error(404, "Invalid rev id");
        }
        answer(&folder, &id)
    }

    /// A page of the list of files.
    fn tree(&self, request: &Request, folder: &Path) -> Answer {
        let behaviour = self.behaviour.lock().unwrap().clone();
        let mut entries = Vec::new();
        list(folder, "", &mut entries);
        entries.extend(
            behaviour.more_names.iter().map(
                |name| json!({ "type": "file", "oid": "0".repeat(40), "size": 4, "path": name }),
            ),
        );
        let begin = request.query("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let end = entries.len().min(begin + behaviour.page_size);
        let path = request.target.split('?').next().unwrap();
        let next = behaviour.next_page.or_else(|| {
            let address = self.address;
            let url = format!("http://{address}{path}?recursive=true&expand=false&cursor={end}");
            (end < entries.len()).then_some(url)
        });
        let link = next.map(|url| format!("Link: <{url}>; rel=\"next\"\r\n")).unwrap_or_default();
        Answer::new(200, link, Value::from(entries[begin..end].to_vec()).to_string())
    }

    fn resolve(
        &self,
        request: &Request,
        kind: &str,
        id: &[&str; 2],
        revision: &str,
        file: &[&str],
    ) -> Answer {
        self.at(kind, id[0], id[1], revision, |folder, id| {
            let mut answer = self.content(request, folder, file);
            if answer.status >= 400 {
                return answer;
            }
            if self.behaviour.lock().unwrap().redirects && is_large(file.last().unwrap()) {
                let target = request.target.split_once("/resolve/").unwrap().1;
                let target = target.split_once('/').unwrap().1;
                let location = format!("Location: /cdn/{kind}/{id}/{target}\r\n");
                let size = fs::metadata(folder.join(file.join("/"))).unwrap().len();
                let linked = format!("{location}X-Linked-Size: {size}\r\n");
                let etag = answer.headers.lines().find_map(|line| line.strip_prefix("ETag: "));
                let linked = format!("{linked}X-Linked-ETag: {}\r\n", etag.unwrap());
                answer = Answer::new(302, linked, "");
            }
            let _ = write!(answer.headers, "X-Repo-Commit: {}\r\n", commit(id));
            answer
        })
    }

    /// The content of a file, or a range of it.
    fn content(&self, request: &Request, folder: &Path, file: &[&str]) -> Answer {
        assert!(folder.starts_with(&self.folder));
        let is_good =
            !file.iter().any(|part| matches!(*part, "" | "." | "..") || part.contains('/'));
        let content = is_good.then(|| fs::read(folder.join(file.join("/"))).ok()).flatten();
        let Some(content) = content else { return Answer::error(404, "Entry not found") };
        let etag = format!("\"{}\"", hexadecimal(&content));
        let headers = format!("ETag: {etag}\r\nAccept-Ranges: bytes\r\n");
        if request.header("if-none-match").as_deref() == Some(&etag) {
            return Answer::new(304, headers, "");
        }
        let is_same = request.header("if-range").is_none_or(|wanted| wanted == etag);
        let range = request.header("range").filter(|_| is_same);
        let begin = range.and_then(|range| {
            range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
        });
        let length = content.len();
        match begin {
            Some(begin) if begin >= length => {
                let headers = format!("{headers}Content-Range: bytes */{length}\r\n");
                Answer::new(416, headers, "")
            }
            Some(begin) => {
                let last = length - 1;
                let range = format!("Content-Range: bytes {begin}-{last}/{length}\r\n");
                Answer::new(206, headers + &range, &content[begin..])
            }
            None => Answer::new(200, headers, content),
        }
    }
}

fn is_large(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "bin")
}

/// The entries below a folder, sorted, each folder before what is in it.
fn list(folder: &Path, prefix: &str, entries: &mut Vec<Value>) {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            let oid = &hexadecimal(path.as_bytes())[..40];
            entries.push(json!({ "type": "directory", "oid": oid, "size": 0, "path": path }));
            list(&entry.path(), &format!("{path}/"), entries);
            continue;
        }
        let content = fs::read(entry.path()).unwrap();
        let (size, sha256) = (content.len(), hexadecimal(&content));
        let mut file = json!({ "type": "file", "oid": &sha256[..40], "size": size, "path": path });
        if is_large(&path) {
            file["lfs"] = json!({ "oid": sha256, "size": size, "pointerSize": 134 });
        }
        entries.push(file);
    }
}

fn hexadecimal(content: &[u8]) -> String {
    let mut text = String::new();
    Sha256::digest(content).iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
    text
}

/// A segment of a path without its percent-encoding.
fn decoded(segment: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), segment.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}
