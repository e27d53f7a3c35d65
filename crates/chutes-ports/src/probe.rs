//! One HTTP request to the job, to see whether it serves.
//!
//! By hand, because nothing of the answer is of interest but its first line, and because what answers is
//! user code: however it answers, it costs little, and soon.

use std::io;
use std::time::Duration;

use chutes_core::{PortAddress, rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connector::Connector;

/// How long the job may take to answer, the connection included.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How much of the answer is read at most, in bytes.
const LONGEST_HEAD: usize = 16 * 1024;

/// One GET request to the job; the status code.
pub async fn get_status(reach: &Connector, port: &PortAddress, path: &str) -> io::Result<u16> {
    if !rule::is_readiness_path(path) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no path of a request"));
    }
    let name = port.port.name();
    timeout(ANSWER_TIME, exchange(reach, port, path)).await.unwrap_or_else(|_| {
        let message =
            format!("port `{name}` has not answered within {} seconds", ANSWER_TIME.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}

async fn exchange(reach: &Connector, port: &PortAddress, path: &str) -> io::Result<u16> {
    let mut stream = reach.connect(port).await?;
    // Frameworks that check for whom a request is know this name.
    let host = format!("localhost:{}", port.address.port());
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: chutes\r\naccept: */*\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut head = stream.take(LONGEST_HEAD as u64);
    loop {
        match status(&answer) {
            Status::Final(status) => return Ok(status),
            Status::None => return Err(strange("what it answers is not HTTP/1.1")),
            Status::Incomplete if answer.len() >= LONGEST_HEAD => {
                return Err(strange("the head of its answer is too long"));
            }
            Status::Incomplete => {}
        }
        if head.read_buf(&mut answer).await? == 0 {
            return Err(strange("it has closed the connection without an answer"));
        }
    }
}

fn strange(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// What the beginning of an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Final(u16),
    /// There has to be more.
    Incomplete,
    /// It will never be one.
    None,
}

/// Answers such as `103 Early Hints` come before the one that counts, and are passed over.
pub(crate) fn status(answer: &[u8]) -> Status {
    let mut rest = answer;
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if may_begin(rest) { Status::Incomplete } else { Status::None };
        };
        match status_code(&rest[..end]) {
            // After this one the connection speaks another protocol.
            Some(101) | None => return Status::None,
            Some(100..200) => {}
            Some(code) => return Status::Final(code),
        }
        let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Status::Incomplete;
        };
        rest = &rest[end + 4..];
    }
}

/// Whether a first line may begin like this.
fn may_begin(line: &[u8]) -> bool {
    let begin = b"HTTP/1.";
    let length = line.len().min(begin.len());
    line[..length] == begin[..length]
}

/// Reads `HTTP/1.1 200 OK`.
fn status_code(line: &[u8]) -> Option<u16> {
    let line = str::from_utf8(line.get(..13.min(line.len()))?).ok()?;
    let rest = line.strip_prefix("HTTP/1.1 ").or_else(|| line.strip_prefix("HTTP/1.0 "))?;
    let (code, after) = rest.split_at_checked(3)?;
    let is_code = code.bytes().all(|byte| byte.is_ascii_digit());
    let ends = after.is_empty() || after.starts_with([' ', '\r']);
    if is_code && ends { code.parse().ok().filter(|code| (100..600).contains(code)) } else { None }
}

#[cfg(test)]
mod tests {
    use chutes_core::{Port, Protocol};
    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn answers() {
        let check = |text: &str, expected| assert_eq!(status(text.as_bytes()), expected, "{text}");
        check("HTTP/1.1 200 OK\r\n", Status::Final(200));
        check("HTTP/1.0 503\r\n", Status::Final(503));
        check("HTTP/1.1 404 \n", Status::Final(404));
        check("HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n", Status::Final(200));
        check("HTTP/1.1 100 Continue\r\n\r\n", Status::Incomplete);
        check("HTTP/1.1 100 Continue\r\nx: y\r\n", Status::Incomplete);
        for beginning in ["", "HT", "HTTP/1.", "HTTP/1.1 20"] {
            check(beginning, Status::Incomplete);
        }
        for strange in [
            "\n",
            "X",
            "SSH-2.0-x",
            "HTTP/2 200\r\n",
            "HTTP/1.1 20\r\n",
            "HTTP/1.1 2000\r\n",
            "HTTP/1.1 +20\r\n",
            "HTTP/1.1 999 x\r\n",
            "HTTP/1.1 099 x\r\n",
            "HTTP/1.1  200\r\n",
            "HTTP/1.1 101 Switching\r\n",
            "http/1.1 200 OK\r\n",
            "HTTP/1.1 €\r\n",
        ] {
            check(strange, Status::None);
        }
    }

    /// What is said about a server that answers like this, and what it was asked.
    async fn ask(answer: Vec<u8>) -> (io::Result<u16>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = PortAddress { port: Port::new("web", 8080, Protocol::Http).unwrap(), address };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut asked).await.unwrap();
            }
            // It may hang up in the middle.
            let _ = stream.write_all(&answer).await;
            String::from_utf8(asked).unwrap()
        };
        tokio::join!(get_status(&Connector::Here, &port, "/health?x=1"), serve)
    }

    #[tokio::test]
    async fn one_request() {
        let (status, asked) = ask(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
        assert_eq!(status.unwrap(), 204);
        assert!(asked.starts_with("GET /health?x=1 HTTP/1.1\r\nhost: localhost:"), "{asked}");
        assert!(asked.contains("connection: close\r\n"), "{asked}");
        let hints = b"HTTP/1.1 103 Early Hints\r\nx: y\r\n".repeat(1_000);
        for (answer, expected) in [
            (Vec::new(), "without an answer"),
            (b"HTTP/1.1 2".to_vec(), "without an answer"),
            (b"hello\n".to_vec(), "not HTTP/1.1"),
            (hints, "too long"),
        ] {
            let (status, _) = ask(answer).await;
            let message = status.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[tokio::test]
    async fn nothing_but_a_path_gets_into_a_request() {
        let address = "127.0.0.1:1".parse().unwrap();
        let port = PortAddress { port: Port::new("web", 8080, Protocol::Http).unwrap(), address };
        for path in ["", "x", "/a b", "/a\r\nx: y"] {
            let error = get_status(&Connector::Here, &port, path).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }

    #[tokio::test]
    async fn who_says_nothing_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = PortAddress { port: Port::new("web", 8080, Protocol::Http).unwrap(), address };
        let (asking, (stream, _)) = {
            let asking =
                tokio::spawn(async move { get_status(&Connector::Here, &port, "/").await });
            (asking, listener.accept().await.unwrap())
        };
        tokio::time::pause();
        let error = asking.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "port `web` has not answered within 5 seconds");
        drop(stream);
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes: Vec<u8>, text in "HTTP/1.1 [0-9]{0,3}[ -~\r\n]{0,40}") {
            let _ = (status(&bytes), status(text.as_bytes()));
        }

        #[test]
        fn a_200_is_only_where_it_says_so(line in "[ -~]{0,40}") {
            let is_200 = status(format!("{line}\r\n").as_bytes()) == Status::Final(200);
            let says_so = line.starts_with("HTTP/1.1 200") || line.starts_with("HTTP/1.0 200");
            prop_assert!(says_so || !is_200);
        }
    }
}
