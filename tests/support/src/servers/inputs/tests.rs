//! The server itself, with a client that never retries.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{InputServer, Served};

/// What comes back for a request with these header lines.
fn ask(server: &InputServer, path: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(server.listening.address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[track_caller]
fn check(answer: &str, status: &str, header: &str, body: &str) {
    let (head, found) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(head.contains(header), "{answer}");
    assert_eq!(found, body);
}

#[test]
fn files_and_their_faults() {
    let file = || Served::new(*b"0123456789");
    let server = InputServer::start([
        ("/whole", file()),
        ("/chunked", file().without_length()),
        ("/broken", file().breaking_after(4)),
        ("/failing", file().refusing(2, 500)),
        ("/elsewhere", Served::redirecting("/whole")),
        ("/always-whole", file().without_ranges()),
    ]);
    check(&ask(&server, "/whole", ""), "200", "Content-Length: 10", "0123456789");
    check(&ask(&server, "/chunked", ""), "200", "chunked", "a\r\n0123456789\r\n0\r\n\r\n");
    check(&ask(&server, "/broken", ""), "200", "Content-Length: 10", "0123");
    let range = "Range: bytes=4-\r\n";
    check(&ask(&server, "/broken", range), "206", "Content-Range: bytes 4-9/10", "456789");
    check(&ask(&server, "/always-whole", range), "200", "Content-Length: 10", "0123456789");
    check(&ask(&server, "/failing", ""), "500", "", "refused");
    check(&ask(&server, "/failing", ""), "500", "", "refused");
    check(&ask(&server, "/failing", ""), "200", "ETag: \"10\"", "0123456789");
    check(&ask(&server, "/elsewhere", ""), "302", "Location: /whole", "");
    check(&ask(&server, "/missing", ""), "404", "", "refused");
    assert_eq!((server.count("/failing"), server.peak()), (3, 1));
}

#[test]
fn requests_at_the_same_time_are_counted() {
    let server = InputServer::start([("/a", Served::new("").waiting_for(2))]);
    std::thread::scope(|scope| {
        scope.spawn(|| ask(&server, "/a", ""));
        scope.spawn(|| ask(&server, "/a", ""));
    });
    assert_eq!((server.count("/a"), server.peak()), (2, 2));
}
