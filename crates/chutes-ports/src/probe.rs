//! One HTTP request to the job, to find out whether it is ready.
//!
//! The answer is parsed by hand, because only its first line is needed, and because it comes from user
//! code: whatever it contains, the cost and the time of a probe are bounded.

use std::io;
use std::time::Duration;

use chutes_core::{PortAddress, rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connector::Connector;

/// How long the job may take to answer, with the time to connect.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// The largest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long a connection has to last to count as accepted by the job: what passes connections on accepts them before
/// it knows whether the job does.
const LASTING_TIME: Duration = Duration::from_millis(100);

/// Makes one connection to a port of the job, as clients do, and checks that it is not closed at once.
pub(crate) async fn accepts(connector: &Connector, port: &PortAddress) -> io::Result<()> {
    let mut stream = connector.connect_like_clients(port).await?;
    match timeout(LASTING_TIME, stream.read(&mut [0])).await {
        Ok(Ok(0)) => Err(io::Error::new(io::ErrorKind::ConnectionReset, "it was closed at once")),
        Ok(Err(error)) => Err(error),
        // The job speaks first, or waits for the client to do so.
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

/// Sends one GET request to the job, and returns the status code.
pub async fn get_status(connector: &Connector, port: &PortAddress, path: &str) -> io::Result<u16> {
    if !rule::is_readiness_path(path) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no path of a request"));
    }
    let name = port.port.name();
    timeout(ANSWER_TIME, exchange(connector, port, path)).await.unwrap_or_else(|_| {
        let message =
            format!("port `{name}` has not answered within {} seconds", ANSWER_TIME.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, message))
    })
}

async fn exchange(connector: &Connector, port: &PortAddress, path: &str) -> io::Result<u16> {
    let mut stream = connector.connect(port).await?;
    // Frameworks that check the `Host` header accept this name.
    let host = format!("localhost:{}", port.address.port());
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: chutes\r\naccept: */*\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    let mut head = stream.take(MAX_HEAD_BYTES as u64);
    loop {
        match status(&answer) {
            Status::Final(status) => return Ok(status),
            Status::None => return Err(invalid_answer("what it answers is not HTTP/1.1")),
            Status::Incomplete if answer.len() >= MAX_HEAD_BYTES => {
                return Err(invalid_answer("the head of its answer is too long"));
            }
            Status::Incomplete => {}
        }
        if head.read_buf(&mut answer).await? == 0 {
            return Err(invalid_answer("it has closed the connection without an answer"));
        }
    }
}

fn invalid_answer(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

/// The status of an answer, as far as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Final(u16),
    /// More bytes are needed.
    Incomplete,
    /// The bytes are no HTTP answer.
    None,
}

/// Reads the status. Informational answers such as `103 Early Hints` precede the final one, and are
/// skipped.
pub(crate) fn status(answer: &[u8]) -> Status {
    let mut rest = answer;
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return if may_begin(rest) { Status::Incomplete } else { Status::None };
        };
        match status_code(&rest[..end]) {
            // After this status the connection is used for another protocol.
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

/// Whether the bytes may be the beginning of a status line.
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
        for invalid_answer in [
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
            check(invalid_answer, Status::None);
        }
    }

    /// The result of a probe of a server that gives this answer, and the request that it received.
    async fn probe(answer: Vec<u8>) -> (io::Result<u16>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = PortAddress { port: Port::new("web", 8080, Protocol::Http).unwrap(), address };
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            // The client may close the connection in the middle.
            let _ = stream.write_all(&answer).await;
            String::from_utf8(request).unwrap()
        };
        tokio::join!(get_status(&Connector::Here, &port, "/health?x=1"), serve)
    }

    #[tokio::test]
    async fn one_request() {
        let (status, request) = probe(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
        assert_eq!(status.unwrap(), 204);
        assert!(request.starts_with("GET /health?x=1 HTTP/1.1\r\nhost: localhost:"), "{request}");
        assert!(request.contains("connection: close\r\n"), "{request}");
        let hints = b"HTTP/1.1 103 Early Hints\r\nx: y\r\n".repeat(1_000);
        for (answer, expected) in [
            (Vec::new(), "without an answer"),
            (b"HTTP/1.1 2".to_vec(), "without an answer"),
            (b"hello\n".to_vec(), "not HTTP/1.1"),
            (hints, "too long"),
        ] {
            let (status, _) = probe(answer).await;
            let message = status.unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[tokio::test]
    async fn connections_that_last() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = PortAddress { port: Port::new("raw", 8080, Protocol::Tcp).unwrap(), address };
        let check = async |listener: &TcpListener, words: Option<&[u8]>, lasts: bool| {
            let serve = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                if let Some(words) = words {
                    stream.write_all(words).await.unwrap();
                    return None;
                }
                Some(stream)
            };
            let (accepted, _stream) = tokio::join!(accepts(&Connector::Here, &port), serve);
            assert_eq!(accepted.is_ok(), lasts, "{words:?}");
        };
        check(&listener, None, true).await;
        check(&listener, Some(b"hello"), true).await;
        check(&listener, Some(b""), false).await;
        drop(listener);
        assert!(accepts(&Connector::Here, &port).await.is_err());
    }

    #[tokio::test]
    async fn only_a_path_gets_into_a_request() {
        let address = "127.0.0.1:1".parse().unwrap();
        let port = PortAddress { port: Port::new("web", 8080, Protocol::Http).unwrap(), address };
        for path in ["", "x", "/a b", "/a\r\nx: y"] {
            let error = get_status(&Connector::Here, &port, path).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{path}");
        }
    }

    #[tokio::test]
    async fn a_server_without_an_answer_is_not_awaited() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = PortAddress { port: Port::new("web", 8080, Protocol::Http).unwrap(), address };
        let (probing, (stream, _)) = {
            let probing =
                tokio::spawn(async move { get_status(&Connector::Here, &port, "/").await });
            (probing, listener.accept().await.unwrap())
        };
        tokio::time::pause();
        let error = probing.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "port `web` has not answered within 5 seconds");
        drop(stream);
    }

    proptest! {
        #[test]
        fn any_answer_is_parsed(bytes: Vec<u8>, text in "HTTP/1.1 [0-9]{0,3}[ -~\r\n]{0,40}") {
            let _ = (status(&bytes), status(text.as_bytes()));
        }

        #[test]
        fn a_status_of_200_is_in_the_text(line in "[ -~]{0,40}") {
            let is_200 = status(format!("{line}\r\n").as_bytes()) == Status::Final(200);
            let has_200 = line.starts_with("HTTP/1.1 200") || line.starts_with("HTTP/1.0 200");
            prop_assert!(has_200 || !is_200);
        }
    }
}
