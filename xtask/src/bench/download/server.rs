//! A server for files that is no slower than the machine: the kernel copies them to the connection. The
//! same files are a repository of the Hugging Face Hub, as far as a download needs it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};

/// The repository that has all files.
pub(super) const REPOSITORY: &str = "bench/files";

/// The commit of its branch `main`.
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A server until the end of the process.
pub(super) struct Server {
    address: SocketAddr,
}

impl Server {
    /// Serves the files of a folder on the loopback interface, with this list as the Hub would have it.
    pub(super) fn start(folder: &Path, list: String) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port is free")?;
        let address = listener.local_addr().context("no address")?;
        let served = Arc::new(Served { folder: folder.to_owned(), list });
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let served = Arc::clone(&served);
                // A client that goes away ends its connection, nothing else.
                thread::spawn(move || serve(&stream, &served));
            }
        });
        Ok(Self { address })
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

struct Served {
    folder: PathBuf,
    list: String,
}

/// Serves one request after the other.
fn serve(stream: &TcpStream, served: &Served) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader)? {
        answer(stream, &request, served)?;
    }
    Ok(())
}

struct Request {
    /// Without its query.
    path: String,
    is_head: bool,
    start: Option<u64>,
}

/// `None` when the connection has ended.
fn read(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut lines = reader.lines();
    let Some(first) = lines.next().transpose()? else { return Ok(None) };
    let mut words = first.split(' ');
    let is_head = words.next() == Some("HEAD");
    let path = words.next().unwrap_or_default().split('?').next().unwrap_or_default().to_owned();
    let mut start = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(range) = line.strip_prefix("range: bytes=") {
            start = range.split('-').next().and_then(|start| start.parse().ok());
        }
    }
    Ok(Some(Request { path, is_head, start }))
}

fn answer(mut stream: &TcpStream, request: &Request, served: &Served) -> io::Result<()> {
    let path = request.path.as_str();
    if path == format!("/api/models/{REPOSITORY}/revision/main") {
        return text(stream, &format!("{{\"sha\":\"{COMMIT}\"}}"));
    }
    if path == format!("/api/models/{REPOSITORY}/tree/{COMMIT}") {
        return text(stream, &served.list);
    }
    let resolved = path.strip_prefix(&format!("/{REPOSITORY}/resolve/{COMMIT}"));
    let path = resolved.unwrap_or(path).trim_start_matches('/');
    let Ok(mut file) = File::open(served.folder.join(path)) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let length = file.metadata()?.len();
    let start = request.start.unwrap_or(0).min(length);
    let (status, range) = if request.start.is_some() {
        let range = format!("bytes {start}-{}/{length}", length.saturating_sub(1));
        ("206 Partial Content", format!("Content-Range: {range}\r\n"))
    } else {
        ("200 OK", String::new())
    };
    let rest = length - start;
    let head =
        format!("HTTP/1.1 {status}\r\n{range}Accept-Ranges: bytes\r\nContent-Length: {rest}");
    stream.write_all(head.as_bytes())?;
    stream.write_all(b"\r\n\r\n")?;
    if request.is_head {
        return Ok(());
    }
    file.seek(SeekFrom::Start(start))?;
    io::copy(&mut file.take(rest), &mut stream).map(drop)
}

fn text(mut stream: &TcpStream, text: &str) -> io::Result<()> {
    let length = text.len();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}");
    stream.write_all(answer.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::contest::scratch;
    use crate::bench::material::Folder;

    fn ask(server: &Server, request: &str) -> String {
        let mut stream = TcpStream::connect(server.address).unwrap();
        write!(stream, "{request}\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn whole_files_and_the_rest_of_them() {
        let folder = Folder::empty(scratch("server-test").unwrap()).unwrap();
        std::fs::write(folder.path().join("a"), "0123456789").unwrap();
        let server = Server::start(folder.path(), "[]".to_owned()).unwrap();
        let whole = ask(&server, "GET /a HTTP/1.1\r\nHost: x");
        assert!(whole.starts_with("HTTP/1.1 200 ") && whole.ends_with("\r\n\r\n0123456789"));
        let rest = ask(&server, "GET /a HTTP/1.1\r\nRange: bytes=7-");
        assert!(rest.contains("Content-Range: bytes 7-9/10") && rest.ends_with("\r\n\r\n789"));
        assert!(ask(&server, "HEAD /a HTTP/1.1").ends_with("Content-Length: 10\r\n\r\n"));
        assert!(ask(&server, "GET /b HTTP/1.1").starts_with("HTTP/1.1 404 "));
        let listed =
            ask(&server, &format!("GET /api/models/{REPOSITORY}/tree/{COMMIT}?x=y HTTP/1.1"));
        assert!(listed.ends_with("\r\n\r\n[]"));
        let resolved = ask(&server, &format!("GET /{REPOSITORY}/resolve/{COMMIT}/a HTTP/1.1"));
        assert!(resolved.ends_with("\r\n\r\n0123456789"));
    }
}
