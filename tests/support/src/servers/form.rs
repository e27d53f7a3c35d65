//! Forms with files (`multipart/form-data`), as an upload by POST sends them.

use super::http::Request;

/// One part of a form.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The name of the field.
    pub name: String,
    /// Only a file has one.
    pub file_name: Option<String>,
    /// The content of the field or file.
    pub content: Vec<u8>,
}

/// The parts of a form, in the order in which they came.
#[track_caller]
pub fn parts(request: &Request) -> Vec<Part> {
    let kind = request.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").unwrap().trim_matches('"');
    let separator = format!("\r\n--{boundary}").into_bytes();
    // The first separator stands at the very beginning, without the end of a line before it.
    let mut rest = &[b"\r\n", &request.body[..]].concat()[..];
    let mut pieces = Vec::new();
    while let Some(at) = find(rest, &separator) {
        pieces.push(rest[..at].to_vec());
        rest = &rest[at + separator.len()..];
    }
    assert!(rest.starts_with(b"--"), "the form has no end: {:?}", String::from_utf8_lossy(rest));
    // What is before the first separator is no part.
    pieces.iter().skip(1).map(|piece| part(piece)).collect()
}

fn part(piece: &[u8]) -> Part {
    let piece = piece.strip_prefix(b"\r\n").unwrap();
    let end = find(piece, b"\r\n\r\n").unwrap();
    let head = String::from_utf8(piece[..end].to_vec()).unwrap();
    let is_disposition =
        |line: &&str| line.to_ascii_lowercase().starts_with("content-disposition: form-data;");
    let disposition = head.lines().find(is_disposition).unwrap();
    let parameter = |name: &str| {
        let mut parameters = disposition.split(';').map(str::trim);
        let value = parameters.find_map(|one| one.strip_prefix(name)?.strip_prefix('='));
        value.map(|value| value.trim_matches('"').to_owned())
    };
    let (name, file_name) = (parameter("name").unwrap(), parameter("filename"));
    Part { name, file_name, content: piece[end + 4..].to_vec() }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn fields_and_a_file() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nvalue\r\n\
            --b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a b.bin\"\r\n\
            Content-Type: application/octet-stream\r\n\r\n\r\n--\0\r\n--b--\r\n";
        let kind = "multipart/form-data; boundary=b".to_owned();
        let request = Request {
            method: "POST".to_owned(),
            target: "/".to_owned(),
            headers: vec![("content-type".to_owned(), kind)],
            body: body.to_vec(),
            is_whole: true,
            at: Instant::now(),
        };
        let part = |name: &str, file_name: Option<&str>, content: &[u8]| Part {
            name: name.to_owned(),
            file_name: file_name.map(str::to_owned),
            content: content.to_vec(),
        };
        let expected = [part("key", None, b"value"), part("file", Some("a b.bin"), b"\r\n--\0")];
        assert_eq!(parts(&request), expected);
    }
}
