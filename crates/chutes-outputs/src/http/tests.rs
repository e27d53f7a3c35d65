//! Whole deliveries to a server on the loopback interface.

use chutes_core::{
    Ending, FileKind, FileState, Manifest, OutputFile, RunId, Sha256Digest, SinkSpecError,
};
use chutes_test_support::servers::upload::{Act, Request, Server, answer, answer_with};
use chutes_transfer::TransferError;
use proptest::prelude::*;
use url::Url;

use super::*;
use crate::http::reading::tests::{changed_source, source};
use crate::{RunSummary, Sink};

fn path(path: &str) -> OutputPath {
    OutputPath::new(path).unwrap()
}

fn headers(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

type Pairs = Vec<(String, String)>;

/// What is wrong with an upload is found when it is made.
fn to(upload: Result<Upload, SinkSpecError>) -> Result<Target, TransferError> {
    Target::new(&upload.map_err(|error| TransferError::permanent(error.to_string()))?)
}

fn to_object(file: OutputPath, url: &Url, headers: Pairs) -> Result<UrlsSink, TransferError> {
    let url = HttpUrl::new(url.as_str()).unwrap();
    UrlsSink::new(UrlFiles::new(file, to(Upload::put(url, headers))?))
}

fn to_form(
    file: OutputPath,
    url: &Url,
    fields: Pairs,
    headers: Pairs,
) -> Result<UrlsSink, TransferError> {
    let url = HttpUrl::new(url.as_str()).unwrap();
    UrlsSink::new(UrlFiles::new(file, to(Upload::post(url, fields, headers))?))
}

fn put(server: &Server) -> UrlsSink {
    to_object(path("a.bin"), &server.url, Vec::new()).unwrap()
}

/// Content that is several pieces long and nowhere the same.
fn large() -> Vec<u8> {
    (0..3_000_001_u32)
        .map(|number| u8::try_from(number.wrapping_mul(2_654_435_761) >> 24).unwrap())
        .collect()
}

#[tokio::test]
async fn a_whole_put() {
    let server = Server::of(vec![answer(200)]).await;
    let mut url = server.url.clone();
    url.set_path("/bucket/a%20b");
    url.set_query(Some("X-Amz-Signature=abcdef"));
    let sink = to_object(path("a.bin"), &url, headers(&[("X-Amz-Acl", "private")])).unwrap();
    for content in [&b"hello"[..], b"", &large()] {
        let file = source(b"a.bin", content);
        sink.send(&file).await.unwrap();
        let request = server.requests().pop().unwrap();
        assert_eq!(request.line, "PUT /bucket/a%20b?X-Amz-Signature=abcdef HTTP/1.1");
        assert!(request.body == content);
        assert_eq!(file.sent.load(std::sync::atomic::Ordering::Relaxed), content.len() as u64);
        let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "content-length", "host", "user-agent", "x-amz-acl"]);
        assert_eq!(request.header("content-length"), Some(content.len().to_string().as_str()));
        let agent = format!("chutes/{}", chutes_core::VERSION);
        assert_eq!(request.header("user-agent"), Some(&*agent));
    }
    assert!(server.requests().iter().all(|request| request.connection == 0));
}

#[tokio::test]
async fn a_whole_post() {
    let server = Server::of(vec![answer(204)]).await;
    let fields = headers(&[("key", "runs/${filename}"), ("policy", "e30="), ("a\"b", "1\r\n2")]);
    let sink = to_form(path("b/a\".json"), &server.url, fields, Vec::new()).unwrap();
    sink.send(&source(b"b/a\".json", b"{}\r\n--")).await.unwrap();
    let request = server.requests().pop().unwrap();
    assert_eq!(request.line, "POST /path HTTP/1.1");
    let boundary = request.header("content-type").unwrap();
    let boundary = boundary.strip_prefix("multipart/form-data; boundary=").unwrap();
    let part = |head: &str, body: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n{body}\r\n")
    };
    let expected = [
        part("name=\"key\"", "runs/${filename}"),
        part("name=\"policy\"", "e30="),
        part("name=\"a%22b\"", "1\r\n2"),
        part("name=\"file\"; filename=\"a%22.json\"\r\nContent-Type: application/json", "{}\r\n--"),
        format!("--{boundary}--\r\n"),
    ];
    assert_eq!(String::from_utf8(request.body).unwrap(), expected.concat());
}

/// Sends a small and a large file to a server that does this, and checks what comes of both.
async fn check(act: Act, expected: &str, is_transient: bool) {
    for content in [b"hello".to_vec(), large()] {
        let server = Server::of(vec![act.clone()]).await;
        let error = put(&server).send(&source(b"a.bin", &content)).await.unwrap_err();
        let expected = expected.replace("{url}", server.url.as_str());
        assert!(error.message.starts_with(&expected), "{}", error.message);
        assert_eq!(error.is_transient, is_transient, "{}", error.message);
    }
}

#[tokio::test]
async fn answers() {
    check(answer(403), "PUT {url} was answered with 403 Forbidden", false).await;
    let page = answer_with(500, " <h1>\nno\u{1b}</h1>");
    check(
        page,
        r"PUT {url} was answered with 500 Internal Server Error: <h1>\nno\u{1b}</h1>",
        true,
    )
    .await;
    let slow = answer_with(400, "<Error><Code>RequestTimeout</Code></Error>");
    check(slow, "PUT {url} was answered with 400 Bad Request: <Error>", true).await;
    let redirect = Act::Answer(307, "Location: /elsewhere\r\n".into(), "moved".into());
    let expected = "PUT {url} was answered with 307 Temporary Redirect: give the address";
    check(redirect, expected, false).await;
    check(answer(303), "PUT {url} was answered with 303 See Other", false).await;
    check(answer(404), "PUT {url} was answered with 404 Not Found", false).await;
}

#[tokio::test]
async fn broken_connections() {
    check(Act::Reset(3), "PUT {url} failed: ", true).await;
    check(Act::Raw(String::new()), "PUT {url} failed: ", true).await;
    check(Act::Raw("ha ha\r\n\r\n".into()), "PUT {url} failed: ", true).await;
    let short = "HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nbusy";
    check(
        Act::Raw(short.into()),
        "PUT {url} was answered with 503 Service Unavailable: busy",
        true,
    )
    .await;
    let server = Server::of(vec![answer(200)]).await;
    let mut url = server.url.clone();
    url.set_port(Some(1)).unwrap();
    let sink = to_object(path("a.bin"), &url, Vec::new()).unwrap();
    let error = sink.send(&source(b"a.bin", b"hello")).await.unwrap_err();
    assert!(error.is_transient && error.message.contains("refused"), "{}", error.message);
}

#[tokio::test]
async fn a_server_without_tls() {
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/path", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        std::future::pending::<()>().await;
    });
    let sink = to_object(path("a.bin"), &url.parse().unwrap(), Vec::new()).unwrap();
    let error = sink.send(&source(b"a.bin", b"hello")).await.unwrap_err();
    let expected = format!("PUT {url} failed: received corrupt message");
    assert!(error.message.starts_with(&expected) && !error.is_transient, "{error:?}");
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let wait = |status| Act::Answer(status, "Retry-After: 7\r\n".into(), String::new());
    let server = Server::of(vec![wait(503), wait(403)]).await;
    let seconds = Some(std::time::Duration::from_secs(7));
    for (is_transient, retry_after) in [(true, seconds), (false, None)] {
        let error = put(&server).send(&source(b"a.bin", b"hello")).await.unwrap_err();
        assert_eq!((error.is_transient, error.retry_after), (is_transient, retry_after));
    }
}

#[tokio::test]
async fn an_answer_before_the_body_was_read() {
    // A refusal is understood although the body was never taken.
    check(Act::AnswerEarly(413), "PUT {url} was answered with 413 Payload Too Large", false).await;
    // A confirmation is not believed. A small file may have been taken in time.
    let server = Server::of(vec![Act::AnswerAndClose(200)]).await;
    let error = put(&server).send(&source(b"a.bin", &large().repeat(10))).await.unwrap_err();
    assert!(error.is_transient, "{}", error.message);
}

#[tokio::test]
async fn a_stalled_upload_counts_no_further_and_ends_when_it_is_dropped() {
    let server = Server::of(vec![Act::Stall(100_000)]).await;
    let (file, sink) = (source(b"a.bin", &large().repeat(10)), put(&server));
    let sent = file.sent.clone();
    let stalled = async {
        let mut last = 0;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let now = sent.load(std::sync::atomic::Ordering::Relaxed);
            if now > 0 && now == last {
                break now;
            }
            last = now;
        }
    };
    tokio::select! {
        result = sink.send(&file) => panic!("{result:?}"),
        sent = stalled => assert!(sent < file.bytes, "{sent}"),
    }
}

#[tokio::test]
async fn a_changed_file_never_arrives() {
    let content = large();
    for now in [&content[1..], &[&content[..], b"x"].concat(), &[&[255], &content[1..]].concat()] {
        let server = Server::of(vec![answer(200)]).await;
        let file = changed_source(FileKind::Output, b"a.bin", &content, now);
        let error = put(&server).send(&file).await.unwrap_err();
        assert_eq!(error.message, "it was changed after it was collected");
        assert!(!error.is_transient);
        assert!(server.requests().is_empty(), "it arrived");
    }
}

#[tokio::test]
async fn a_redirect_confirms_a_form_that_asks_for_one() {
    let server = Server::of(vec![answer(303)]).await;
    for (name, expected) in [("success_action_redirect", true), ("key", false)] {
        let fields = headers(&[(name, "https://host/done")]);
        let sink = to_form(path("a.bin"), &server.url, fields, Vec::new()).unwrap();
        let result = sink.send(&source(b"a.bin", b"hello")).await;
        assert_eq!(result.is_ok(), expected, "{result:?}");
    }
}

#[tokio::test]
async fn headers_that_cannot_be_sent() {
    let url = Server::of(vec![answer(200)]).await.url;
    for (name, value, expected) in [
        ("Content-Length", "3", "the header `content-length` cannot be given: leave it out"),
        ("a b", "c", "`a b` is not the name of an HTTP header"),
        ("x-token", "a\nb", "the value of the header `x-token` is not one line"),
    ] {
        let sink = to_object(path("a"), &url, headers(&[(name, value)]));
        assert_eq!(sink.err().unwrap(), TransferError::permanent(expected));
    }
    let fields = headers(&[("file", "x")]);
    assert!(to_form(path("a"), &url, fields, Vec::new()).is_err());
    let content_type = headers(&[("Content-Type", "text/plain")]);
    assert!(to_form(path("a"), &url, Vec::new(), content_type).is_err());
}

pub(crate) fn run(files: Vec<OutputFile>, logs: Vec<OutputFile>) -> RunSummary {
    let run_id = RunId::from_bytes([7; 16]);
    let manifest = Manifest { run_id, files, logs, artifacts: Vec::new() };
    RunSummary { run_id, ending: Ending::Completed, result: None, manifest }
}

#[tokio::test]
async fn the_one_file() {
    let server = Server::of(vec![answer(200)]).await;
    let sink = put(&server);
    assert_eq!(sink.skips(&source(b"a.bin", b"")), None);
    let why = Some("this sink takes only `a.bin`".to_owned());
    assert_eq!(sink.skips(&source(b"b/a.bin", b"")), why);
    assert_eq!(sink.skips(&changed_source(FileKind::Log, b"a.bin", b"", b"")), why);
    let collected = FileState::Collected { bytes: 0, sha256: Sha256Digest::from_bytes([0; 32]) };
    let failed = FileState::Failed { reason: "it was changed while it was read".into() };
    for (name, state, expected) in [
        ("a.bin", collected.clone(), Ok(())),
        ("b.bin", collected, Err(TransferError::permanent("the job did not write `a.bin`"))),
        (
            "a.bin",
            failed,
            Err(TransferError::permanent(
                "`a.bin` was not collected: it was changed while it was read",
            )),
        ),
    ] {
        let run = run(vec![OutputFile::new(path(name), state)], Vec::new());
        assert_eq!(sink.finish(&run).await, expected);
    }
}

/// A server that repeats the whole request, as debugging servers do.
async fn parrot(status: u16, padding: usize) -> Server {
    Server::start(move |request: &Request| {
        let mut parts = vec!["x".repeat(padding), request.line.clone()];
        parts.extend(request.headers.iter().map(|(name, value)| format!("{name}={value}")));
        answer_with(status, parts.join("\n").repeat(200))
    })
    .await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn no_message_has_a_secret(
        secret in "[a-zA-Z0-9]{12,20}",
        extra in "[ +/=%&é]{0,3}",
        status in proptest::sample::select(vec![0_u16, 307, 400, 403, 500]),
        padding in 0..260_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let message = runtime.block_on(async {
            let mut url = parrot(status, padding).await.url;
            if status == 0 {
                url.set_port(Some(1)).unwrap();
            }
            let value = format!("{secret}{extra}{secret}");
            url.query_pairs_mut().append_pair("token", &value);
            url.set_username(&secret).unwrap();
            url.set_password(Some(&value)).unwrap();
            let authorization = headers(&[("authorization", &format!("Bearer {value}"))]);
            let fields = headers(&[("policy", &value)]);
            let file = source(b"a.bin", b"hello");
            let put = to_object(path("a.bin"), &url, authorization.clone()).unwrap();
            let post = to_form(path("a.bin"), &url, fields, authorization).unwrap();
            let errors = [put.send(&file).await, post.send(&file).await].map(Result::unwrap_err);
            [errors[0].to_string(), errors[1].to_string(), put.name().into(), post.name().into()].join("\n")
        });
        prop_assert!(!message.contains(&secret), "{}", message);
    }
}
