//! The connection of an `exec`: a request that becomes a stream in both directions.
//!
//! The library could do this, but it expects frames in the output of terminals, too: after a program has
//! printed `^A`, it would wait for gigabytes.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// The largest head of an answer, and the largest message of an error, in bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long an engine may take to start a command in a container.
const START_TIME: Duration = Duration::from_mins(1);

/// How long an engine may take to send the message of an error.
const ERROR_TIME: Duration = Duration::from_millis(200);

/// The output and the input of a command.
pub type ExecStreams = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

/// Starts an `exec` that was created before, at the engine of this address.
pub(super) async fn start(
    address: &str,
    id: &str,
    terminal: Option<(u16, u16)>,
) -> io::Result<ExecStreams> {
    let started = timeout(START_TIME, async {
        let (mut output, mut input) = connect(address).await?;
        let body = start_body(terminal).to_string();
        let request = format!(
            "POST /exec/{id}/start HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        input.write_all(request.as_bytes()).await?;
        let rest = head(&mut output).await?;
        let output = Box::new(io::Cursor::new(rest).chain(output));
        Ok((output as Box<dyn AsyncRead + Send + Unpin>, input))
    });
    started.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// The body of the request. Docker takes the size of a terminal as `ConsoleSize`, since version 1.42 of the API; Podman
/// as `h` and `w`. Without a version in its path, a request has the newest one.
fn start_body(terminal: Option<(u16, u16)>) -> Value {
    match terminal {
        None => json!({ "Detach": false, "Tty": false }),
        // Some clients do not know their size.
        Some((0, _) | (_, 0)) => json!({ "Detach": false, "Tty": true }),
        Some((columns, rows)) => json!({
            "Detach": false, "Tty": true, "ConsoleSize": [rows, columns], "h": rows, "w": columns
        }),
    }
}

async fn connect(address: &str) -> io::Result<ExecStreams> {
    if let Some(path) = address.strip_prefix("unix://") {
        let (output, input) = UnixStream::connect(path).await?.into_split();
        return Ok((Box::new(output), Box::new(input)));
    }
    let host = address.split_once("://").map_or(address, |(_, host)| host).trim_end_matches('/');
    let (output, input) = TcpStream::connect(host).await?.into_split();
    Ok((Box::new(output), Box::new(input)))
}

/// Reads the head of the answer. Returns the bytes behind it.
async fn head(output: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(at) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        if read.len() > MAX_HEAD_BYTES || output.read_buf(&mut read).await? == 0 {
            return Err(io::Error::other("the container engine gave no answer"));
        }
    };
    let rest = read.split_off(end);
    match read.split(|byte| *byte == b' ').nth(1) {
        Some(b"101" | b"200") => Ok(rest),
        status => {
            let status = status.map(String::from_utf8_lossy).unwrap_or_default();
            let mut body = rest;
            // Engines keep the connection open, but send the error at once.
            let mut more = output.take(MAX_HEAD_BYTES as u64);
            let _ = timeout(ERROR_TIME, more.read_to_end(&mut body)).await;
            Err(io::Error::other(refusal(&status, &body)))
        }
    }
}

fn refusal(status: &str, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let from = text.find('{').unwrap_or_default();
    let mut values = serde_json::Deserializer::from_str(&text[from..]).into_iter();
    let json: Option<serde_json::Value> = values.next().and_then(Result::ok);
    let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
    format!("the container engine refused it ({status}): {}", message.unwrap_or("without a word"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn heads() {
        let check = async |answer: &str, expected: Result<&str, &str>| {
            let found = head(&mut answer.as_bytes()).await.map_err(|error| error.to_string());
            let expected = expected.map(|rest| rest.as_bytes().to_vec()).map_err(str::to_owned);
            assert_eq!(found, expected, "{answer}");
        };
        check("HTTP/1.1 101 UPGRADED\r\nA: b\r\n\r\nrest", Ok("rest")).await;
        check("HTTP/1.1 200 OK\r\n\r\n", Ok("")).await;
        let none = "the container engine gave no answer";
        check("", Err(none)).await;
        check("HTTP/1.1 101 UPGRADED\r\n", Err(none)).await;
        check(&"x".repeat(100_000), Err(none)).await;
        let refused = "the container engine refused it (409): it is paused";
        let body = "HTTP/1.1 409 Conflict\r\n\r\n1f\r\n{\"message\": \"it is paused\"}\r\n0\r\n";
        check(body, Err(refused)).await;
        let silent = "the container engine refused it (500): without a word";
        check("HTTP/1.1 500 Oh\r\n\r\nnothing", Err(silent)).await;
    }
}
