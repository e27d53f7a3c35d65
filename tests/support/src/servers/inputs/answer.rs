//! The answers of the server for inputs.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;

use super::{Request, Served};

/// How much is written at a time.
const PIECE: usize = 64 * 1024;

/// Answers a request for a file after `number` earlier ones.
pub(super) fn send(
    mut stream: &TcpStream,
    request: &Request,
    file: &Served,
    number: usize,
) -> io::Result<()> {
    if file.never_answers {
        // Until the client closes the connection.
        return stream.read(&mut [0; 1]).map(drop);
    }
    if let Some(status) = file.refusals.get(number) {
        return refuse(stream, *status);
    }
    if let Some(to) = &file.redirects_to {
        let head = "HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\n";
        return write!(stream, "{head}Location: {to}\r\n\r\n");
    }
    let start = if file.hides_ranges { None } else { start_of_range(request) };
    let rest = file.content.get(start.unwrap_or(0)..).unwrap_or_default();
    stream.write_all(head(file, start, rest.len()).as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    let cut = file.breaks_after.filter(|_| number == file.refusals.len());
    for piece in rest[..cut.unwrap_or(rest.len()).min(rest.len())].chunks(PIECE) {
        thread::sleep(file.pause);
        if file.hides_length {
            write!(stream, "{:x}\r\n", piece.len())?;
        }
        stream.write_all(piece)?;
        if file.hides_length {
            stream.write_all(b"\r\n")?;
        }
    }
    if file.hides_length && cut.is_none() {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

/// Answers with a status and no content.
pub(super) fn refuse(mut stream: &TcpStream, status: u16) -> io::Result<()> {
    let head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    write!(stream, "{head}Content-Length: 7\r\n\r\nrefused")
}

fn head(file: &Served, start: Option<usize>, length: usize) -> String {
    let total = file.content.len();
    let status = match start {
        None => "HTTP/1.1 200 OK".to_owned(),
        Some(start) => {
            let range = format!("bytes {start}-{}/{total}", total.saturating_sub(1));
            format!("HTTP/1.1 206 Partial Content\r\nContent-Range: {range}")
        }
    };
    let length = if file.hides_length {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {length}")
    };
    let ranges = if file.hides_ranges { "none" } else { "bytes" };
    // The content of a path never changes, so its length is enough to distinguish versions of a file.
    format!(
        "{status}\r\n{length}\r\nAccept-Ranges: {ranges}\r\nETag: \"{total}\"\r\n\
         Connection: close\r\n\r\n"
    )
}

/// From `bytes=START-`, the only form that continuing a download needs.
fn start_of_range(request: &Request) -> Option<usize> {
    let range = request.header("range")?.strip_prefix("bytes=")?;
    range.split_once('-')?.0.parse().ok()
}
