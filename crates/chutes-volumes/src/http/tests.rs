//! Files from a server on the loopback interface that does what servers do.

mod encodings;
mod names;
mod parts;

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use chutes_core::EventReporter;
use chutes_test_support::servers::download::{
    Act, Server, broken, content, plain, redirect, status,
};
use sha2::{Digest, Sha256};

use super::*;
use crate::progress::Progress;
use crate::settings::tests::settings;

/// Content that is several pieces long and nowhere the same.
fn large() -> Vec<u8> {
    let byte = |number: u32| number.wrapping_mul(2_654_435_761).to_be_bytes()[0];
    (0..3_000_001).map(byte).collect()
}

fn sha256(content: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(content).into())
}

fn request(url: &Url) -> Request {
    let url = url.clone();
    Request { url, authorization: None, sha256: None, bytes: None, cache_key: None }
}

/// What came of a download, and the content of the file.
async fn download(
    client: &Client,
    request: &Request,
    known: Option<&str>,
) -> (Result<Fetched, VolumeError>, Vec<u8>) {
    let mut file = tempfile::tempfile().unwrap();
    let progress = volume();
    let to = file.try_clone().unwrap();
    let fetched = client.download(request, known, to, &mut progress.file()).await;
    let mut there = Vec::new();
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_end(&mut there).unwrap();
    (fetched, there)
}

fn volume() -> Progress {
    Progress::new(EventReporter::none(), "/volume/a".into())
}

fn client() -> Client {
    Client::new(&settings(), &FetchAbort::default()).unwrap()
}

/// Downloads from a server that acts like this, and checks that the content is this.
async fn check(acts: Vec<Act>, expected: &[u8]) -> Server {
    let server = Server::of(acts).await;
    let (fetched, there) = download(&client(), &request(&server.url), None).await;
    let Fetched::Whole(content) = fetched.unwrap() else { panic!("unchanged from what?") };
    assert!(there == expected, "{} bytes", there.len());
    assert_eq!((content.sha256, content.bytes), (sha256(expected), expected.len() as u64));
    server
}

/// The same for one that cannot be fetched: the error without the address, and how many requests there
/// were.
async fn refused(
    acts: Vec<Act>,
    client: &Client,
    change: impl Fn(&mut Request),
) -> (String, usize) {
    let server = Server::of(acts).await;
    let mut request = request(&server.url);
    change(&mut request);
    let (fetched, _) = download(client, &request, None).await;
    let error = fetched.unwrap_err();
    assert_eq!(error.kind, chutes_core::FailureKind::DownloadFailed);
    let mut root = server.url.clone();
    root.set_path("");
    let message = error.message.replace(root.as_str(), "http://server/");
    (message, server.requests().len())
}

#[tokio::test]
async fn whole_files() {
    for content in [&b""[..], b"hello", &large()] {
        let server = check(vec![plain(content)], content).await;
        let asked = server.requests();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].header("accept-encoding"), Some("identity"));
        assert_eq!(asked[0].header("range"), None);
    }
    // Without a length the end of the connection is the end of the content, or that of the chunks.
    check(vec![Act::Raw(b"HTTP/1.1 200 OK\r\n\r\nhello".into())], b"hello").await;
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    check(vec![Act::Raw(chunked.into())], b"hello").await;
}

#[tokio::test]
async fn what_lasts_is_not_tried_again() {
    for code in [400, 401, 403, 404, 405, 410, 451] {
        let act = Act::Answer(code, String::new(), b"no such file\nhere".into());
        let (message, requests) = refused(vec![act], &client(), |_| {}).await;
        assert!(message.starts_with(&format!("GET http://server/file was answered with {code}")));
        assert!(message.ends_with(": no such file\\nhere"), "{message}");
        assert_eq!(requests, 1);
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for code in [408, 425, 429, 500, 502, 503, 504, 521] {
        let server = check(vec![status(code), status(code), plain(b"hello")], b"hello").await;
        assert_eq!(server.requests().len(), 3);
        let (message, requests) = refused(vec![status(code)], &client(), |_| {}).await;
        assert!(message.ends_with("(after 4 attempts)"), "{message}");
        assert_eq!(requests, 4);
    }
    check(vec![Act::Raw(Vec::new()), plain(b"hello")], b"hello").await;
    check(vec![Act::Raw(b"what?".into()), plain(b"hello")], b"hello").await;
}

#[tokio::test]
async fn no_server_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file?token=abcdef123", listener.local_addr().unwrap());
    drop(listener);
    let request = request(&Url::parse(&url).unwrap());
    let message = download(&client(), &request, None).await.0.unwrap_err().message;
    assert!(message.contains("refused"), "{message}");
    assert!(message.ends_with("(after 4 attempts)"), "{message}");
    assert!(!message.contains("abcdef123"), "{message}");
}

#[tokio::test]
async fn a_broken_body_is_resumed() {
    let large = large();
    let broken = |at_most| broken(&large, "\"a\"", at_most);
    // More breaks than there are attempts: each one gets further.
    let acts = vec![
        broken(100_000),
        broken(1),
        broken(1_500_000),
        broken(7),
        broken(70_000),
        broken(usize::MAX),
    ];
    let server = check(acts, &large).await;
    assert_eq!(server.sent(), large.len());
    let ranges: Vec<String> = server.requests()[1..]
        .iter()
        .map(|asked| {
            assert_eq!(asked.header("if-range"), Some("\"a\""));
            asked.header("range").unwrap().to_owned()
        })
        .collect();
    let expected = [100_000, 100_001, 1_600_001, 1_600_008, 1_670_008];
    assert_eq!(ranges, expected.map(|first| format!("bytes={first}-")));
}

#[tokio::test]
async fn a_part_of_something_else_is_thrown_away() {
    let (old, new) = (vec![b'o'; 1000], vec![b'n'; 2000]);
    let part = |etag: &str, range: &str| {
        let headers = format!("ETag: {etag}\r\nContent-Range: {range}\r\n");
        Act::Answer(206, headers, vec![b'x'; 900])
    };
    let begin = || broken(&old, "\"a\"", 100);
    // It was changed: the server sends the whole.
    let server = check(vec![begin(), content(&new, "\"b\"")], &new).await;
    assert_eq!(server.requests().len(), 2);
    // It ignores ranges.
    check(vec![begin(), plain(&old)], &old).await;
    // It has no such range any more.
    let server = check(vec![begin(), status(416), content(&new, "\"b\"")], &new).await;
    assert_eq!(server.requests()[2].header("range"), None);
    // It sends parts of something else, or others than those that it was asked for.
    for wrong in [
        part("\"b\"", "bytes 100-999/1000"),
        part("\"a\"", "bytes 0-899/900"),
        part("\"a\"", "bytes 100-999/2000"),
        part("\"a\"", "what?"),
    ] {
        let server = check(vec![begin(), wrong, content(&new, "\"b\"")], &new).await;
        assert_eq!(server.requests()[2].header("range"), None);
    }
    // Nothing says that the rest would be of the same.
    let begin = Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel".into());
    let server = check(vec![begin, plain(b"hello")], b"hello").await;
    assert_eq!(server.requests()[1].header("range"), None);
}

#[tokio::test]
async fn what_never_gets_any_further_is_given_up() {
    let client = client();
    let begin = Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel".into());
    let (message, requests) = refused(vec![begin], &client, |_| {}).await;
    assert!(message.ends_with("(after 4 attempts)"), "{message}");
    assert_eq!(requests, 4);
    let (_, requests) = refused(vec![status(416)], &client, |_| {}).await;
    assert_eq!(requests, 1);
    let wrong_part = Act::Answer(206, "Content-Range: bytes 0-4/5\r\n".into(), b"hello".into());
    let (_, requests) = refused(vec![wrong_part], &client, |_| {}).await;
    assert_eq!(requests, 4);
    let (_, requests) = refused(vec![status(304)], &client, |_| {}).await;
    assert_eq!(requests, 4);
}

#[tokio::test]
async fn silence_ends_an_attempt() {
    let mut settings = settings();
    settings.retry.stall = Duration::from_millis(200);
    let client = Client::new(&settings, &FetchAbort::default()).unwrap();
    let hang = |text: &str| Act::Hang(text.into());
    for (act, expected) in [
        (hang(""), "GET http://server/file: no answer for"),
        (
            hang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"),
            "GET http://server/file: no byte came for",
        ),
    ] {
        let (message, requests) = refused(vec![act.clone()], &client, |_| {}).await;
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(requests, 4);
        let server = Server::of(vec![act, plain(b"hello")]).await;
        let (fetched, there) = download(&client, &request(&server.url), None).await;
        assert!(fetched.is_ok());
        assert_eq!(there, b"hello");
    }
}

#[tokio::test]
async fn too_large() {
    let mut settings = settings();
    settings.max_file_bytes = 5;
    let client = Client::new(&settings, &FetchAbort::default()).unwrap();
    let expected = ("GET http://server/file: the file is larger than 5 B".to_owned(), 1);
    // The head says it, so that the body need not come.
    let head = Act::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n".into());
    assert_eq!(refused(vec![head], &client, |_| {}).await, expected);
    let endless = Act::Hang(b"HTTP/1.1 200 OK\r\n\r\nhello!".into());
    assert_eq!(refused(vec![endless], &client, |_| {}).await, expected);
    let server = Server::of(vec![plain(b"hello")]).await;
    assert!(download(&client, &request(&server.url), None).await.0.is_ok());

    settings.max_file_bytes = 100;
    settings.max_total_bytes = 7;
    let client = Client::new(&settings, &FetchAbort::default()).unwrap();
    assert!(download(&client, &request(&server.url), None).await.0.is_ok());
    let (message, _) = refused(vec![plain(b"hello")], &client, |_| {}).await;
    assert_eq!(message, "all volumes together are larger than 7 B");
    // What is thrown away does not count.
    let client = Client::new(&settings, &FetchAbort::default()).unwrap();
    let begin = Act::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell".into());
    let server = Server::of(vec![begin, plain(b"hello")]).await;
    assert!(download(&client, &request(&server.url), None).await.0.is_ok());
}

/// That is the fault of this machine, however much has come and whatever the server does then.
#[tokio::test]
async fn a_full_disk() {
    let break_off =
        [b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n".into(), large()].concat();
    for act in [plain(b"hello"), plain(&large()), Act::Raw(break_off)] {
        let server = Server::of(vec![act]).await;
        let to = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let progress = volume();
        let mut progress = progress.file();
        let fetched = client().download(&request(&server.url), None, to, &mut progress).await;
        let error = fetched.unwrap_err();
        assert_eq!(error.kind, chutes_core::FailureKind::Platform, "{error}");
        assert!(error.message.contains("No space left on device"), "{error}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[tokio::test]
async fn another_content_than_expected() {
    let client = client();
    let (message, requests) =
        refused(vec![plain(b"hello")], &client, |request| request.sha256 = Some(sha256(b"x")))
            .await;
    let (is, should) = (sha256(b"hello"), sha256(b"x"));
    let expected = format!(
        "GET http://server/file: the content has the SHA-256 checksum {is} and not {should}"
    );
    assert_eq!((message, requests), (expected, 1));
    let (message, requests) =
        refused(vec![plain(b"hello")], &client, |request| request.bytes = Some(4)).await;
    let expected = "GET http://server/file: the file has 5 bytes and not 4 (after 4 attempts)";
    assert_eq!((message.as_str(), requests), (expected, 4));
    // Parts that are not of the same content, whatever the server says.
    let server = Server::of(vec![
        broken(b"hello", "\"a\"", 3),
        content(b"jelly", "\"a\""),
        content(b"jelly", "\"a\""),
    ])
    .await;
    let request = Request { sha256: Some(sha256(b"jelly")), ..request(&server.url) };
    let (fetched, there) = download(&client, &request, None).await;
    assert!(fetched.is_ok());
    assert_eq!(there, b"jelly");
}

#[tokio::test]
async fn what_is_known_is_not_sent() {
    let server = Server::of(vec![content(b"hello", "\"a\"")]).await;
    let (client, request) = (client(), request(&server.url));
    let (fetched, _) = download(&client, &request, Some("\"a\"")).await;
    assert_eq!(fetched, Ok(Fetched::Unchanged));
    assert_eq!(server.sent(), 0);
    let (fetched, there) = download(&client, &request, Some("\"b\"")).await;
    assert!(
        matches!(fetched, Ok(Fetched::Whole(content)) if content.etag.as_deref() == Some("\"a\""))
    );
    assert_eq!(there, b"hello");
}

#[tokio::test]
async fn redirects() {
    let target = Server::of(vec![plain(b"hello")]).await;
    let server = Server::of(vec![redirect("/other"), redirect(target.url.as_str())]).await;
    let mut request = request(&server.url);
    request.authorization = Some(SecretText::new("Bearer abcdef123".into()));
    let (fetched, there) = download(&client(), &request, None).await;
    assert!(fetched.is_ok());
    assert_eq!(there, b"hello");
    // The token goes to its own server only.
    let tokens = |server: &Server| -> Vec<Option<String>> {
        let asked = server.requests();
        asked.iter().map(|asked| asked.header("authorization").map(str::to_owned)).collect()
    };
    let token = || Some("Bearer abcdef123".to_owned());
    assert_eq!(tokens(&server), [token(), token()]);
    assert_eq!(tokens(&target), [None]);
    assert_eq!(server.requests()[1].path, "/other");
}

#[tokio::test]
async fn redirects_that_are_not_followed() {
    for (to, expected) in [
        ("/file", "GET http://server/file leads to more than 10 redirects"),
        ("http://169.254.169.254/latest?x=1", "GET http://169.254.169.254/latest: the address"),
        ("http://[fe80::1]/", "GET http://[fe80::1]/: the address fe80::1 is refused"),
        ("http://0xa9fea9fe/", "GET http://169.254.169.254/: the address"),
        (
            "http://168.63.129.16/",
            "GET http://168.63.129.16/: the address 168.63.129.16 is refused",
        ),
        ("http://[fd00:a9fe:a9fe::1]/", "GET http://[fd00:a9fe:a9fe::1]/: the address"),
        ("file:///etc/passwd", "GET file:///etc/passwd: only `https://` and `http://`"),
        ("http://", "GET http://server/file was redirected to something that is not a URL"),
    ] {
        let (message, requests) = refused(vec![redirect(to)], &client(), |_| {}).await;
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(requests, if to == "/file" { 11 } else { 1 });
    }
    let (message, _) = refused(vec![status(302)], &client(), |_| {}).await;
    assert_eq!(message, "GET http://server/file was redirected without saying where to");
}

#[tokio::test]
async fn small_answers() {
    let server = Server::of(vec![status(503), plain(b"[1]")]).await;
    let (body, headers) = client().get_json(&request(&server.url), &volume()).await.unwrap();
    assert_eq!(body, b"[1]");
    assert_eq!(headers[reqwest::header::CONTENT_LENGTH], "3");
    let server = Server::of(vec![status(404)]).await;
    let error = client().get_json(&request(&server.url), &volume()).await.unwrap_err();
    assert!(error.message.contains("404"));
}

#[tokio::test]
async fn a_halt_ends_the_waiting() {
    let abort = FetchAbort::default();
    let client = Client::new(&settings(), &abort).unwrap();
    let server = Server::of(vec![Act::Hang(Vec::new())]).await;
    let request = request(&server.url);
    let (fetched, ()) = tokio::join!(download(&client, &request, None), async {
        server.arrived(1).await;
        abort.set();
    });
    assert_eq!(fetched.0, Err(crate::abort::stopped()));
    assert_eq!(server.requests().len(), 1);
}
