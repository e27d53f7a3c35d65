//! Deliveries to servers that speak S3, or refuse to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use chutes_test_support::servers::upload::{Act, Request, Server, answer, answer_with};

use super::*;

const MODIFIED: &str = "Last-Modified: Mon, 30 Nov 2026 10:00:00 GMT\r\nETag: \"1\"\r\n";

const LISTED_NOTHING: &str = "<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>";

/// The environment of a sink for this server.
fn variables(server: &Server) -> HashMap<String, String> {
    let endpoint = format!("http://{}", server.url.authority());
    [
        ("AWS_ACCESS_KEY_ID", "AKIA0123456789ABCDEF"),
        ("AWS_SECRET_ACCESS_KEY", "the-secret-access-key"),
        ("AWS_SESSION_TOKEN", "the-session-token-that-is-long"),
        ("AWS_ENDPOINT_URL", &endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "eu-central-1"),
        ("HOME", "/nowhere"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn s3(server: &Server) -> StoreSink {
    s3_of(server, SMALL)
}

/// A sink whose requests have these sizes.
pub(super) fn s3_of(server: &Server, sizes: Sizes) -> StoreSink {
    let (store, prefix) = open::open(&Url::parse(NAME).unwrap(), &variables(server)).unwrap();
    StoreSink::with_store(store, prefix, NAME.into(), sizes)
}

#[tokio::test]
async fn a_whole_put() {
    let server = Server::of(vec![Act::Answer(200, "ETag: \"1\"\r\n".into(), String::new())]).await;
    let (sink, file) = (s3(&server), source("ä/b\n".as_bytes(), &large()[..1_000_000]));
    sink.send(&file).await.unwrap();
    let request = server.requests().pop().unwrap();
    assert_eq!(request.line, "PUT /bucket/runs/1/outputs/%C3%A4/b%250A HTTP/1.1");
    assert!(request.body == large()[..1_000_000]);
    assert_eq!(sent(&file), 1_000_000);
    assert_eq!(request.header("content-length"), Some("1000000"));
    assert_eq!(request.header("x-amz-meta-sha256"), Some(file.sha256.to_string().as_str()));
    // Without TLS the content is signed.
    assert_eq!(request.header("x-amz-content-sha256"), Some(file.sha256.to_string().as_str()));
    assert!(request.header("authorization").unwrap().contains("/eu-central-1/s3/aws4_request"));
}

#[tokio::test]
async fn refusals() {
    let denied = "<Error><Code>AccessDenied</Code><AWSAccessKeyId>AKIA0123456789ABCDEF</AWSAccessKeyId>\
                  <T>the-session-token-that-is-long</T><Message>in eu-central-1</Message></Error>";
    let address = "PUT http://{host}/bucket/runs/1/outputs/a";
    for (act, expected, is_transient) in [
        (
            answer_with(403, denied),
            "was answered with 403 Forbidden: <Error><Code>AccessDenied</Code><AWSAccessKeyId>***\
             </AWSAccessKeyId><T>***</T><Message>in eu-central-1</Message></Error>",
            false,
        ),
        (answer_with(404, "<Code>NoSuchBucket</Code>"), "was answered with 404 Not Found", false),
        (
            answer_with(400, "<Code>RequestTimeout</Code>"),
            "was answered with 400 Bad Request",
            true,
        ),
        (answer(301), "was answered with 301 Moved Permanently", false),
        (answer(503), "was answered with 503 Service Unavailable", true),
        (Act::Reset(3), "failed: ", true),
    ] {
        let server = Server::of(vec![act]).await;
        let error = s3(&server).send(&source(b"a", b"hello")).await.unwrap_err();
        let expected = format!("{} {expected}", address.replace("{host}", server.url.authority()));
        assert!(error.message.starts_with(&expected), "{}", error.message);
        assert_eq!(error.is_transient, is_transient, "{}", error.message);
    }
    let elsewhere = "x-amz-bucket-region: eu-west-1\r\n".to_owned();
    let moved = Act::Answer(301, elsewhere, "<Code>PermanentRedirect</Code>".into());
    let server = Server::of(vec![moved]).await;
    let error = s3(&server).send(&source(b"a", b"hello")).await.unwrap_err();
    let expected = ": the bucket is in the region `eu-west-1`, which is to be set: <Code>PermanentRedirect</Code>";
    assert!(error.message.ends_with(expected), "{error}");
    let wait = Act::Answer(503, "Retry-After: 7\r\n".into(), String::new());
    let server = Server::of(vec![wait]).await;
    let error = s3(&server).send(&source(b"a", b"hello")).await.unwrap_err();
    assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(7)));
}

#[tokio::test]
async fn what_is_known_before_anything_is_sent() {
    for (head, list, expected) in [
        (404, answer_with(200, LISTED_NOTHING), Ok(())),
        (403, answer(403), Ok(())),
        (404, answer_with(404, "<Code>NoSuchBucket</Code>"), Err(false)),
        (503, answer_with(200, LISTED_NOTHING), Err(true)),
        (404, answer(503), Err(true)),
    ] {
        let is_head = |request: &Request| request.line.starts_with("HEAD");
        let server = Server::start(
            move |request: &Request| {
                if is_head(request) { answer(head) } else { list.clone() }
            },
        )
        .await;
        let result = s3(&server).begin(&run(&[])).await;
        assert_eq!(result.map_err(|error| error.is_transient), expected);
    }
}

/// Credentials that may write and not delete.
#[tokio::test]
async fn a_manifest_that_cannot_be_removed() {
    let denied = "<DeleteResult><Error><Key>runs/1/manifest.json</Key><Code>AccessDenied</Code>\
                  <Message>no</Message></Error></DeleteResult>";
    for (is_ours, refusal) in [
        (true, answer(403)),
        (true, answer_with(200, denied)),
        (false, answer(403)),
        (false, answer_with(200, denied)),
    ] {
        let mut manifest = run(&[]).manifest;
        if !is_ours {
            manifest.run_id = RunId::from_bytes([8; 16]);
        }
        let manifest = serde_json::to_string(&manifest).unwrap();
        let server = Server::start(move |request: &Request| match &request.line {
            line if line.starts_with("DELETE") || line.contains("?delete") => refusal.clone(),
            line if line.contains("manifest.json") => {
                let is_head = line.starts_with("HEAD");
                let content = if is_head { String::new() } else { manifest.clone() };
                Act::Answer(200, MODIFIED.to_owned(), content)
            }
            _ => answer_with(200, LISTED_NOTHING),
        })
        .await;
        let result = s3(&server).begin(&run(&[])).await;
        assert_eq!(result.is_ok(), is_ours, "{result:?}");
    }
}

/// A server that begins an upload of parts, and does this with each part.
pub(super) async fn parts(act: Act) -> Server {
    parts_by(move |_| act.clone()).await
}

/// A server that begins an upload of parts, and decides for each part.
pub(super) async fn parts_by(decide: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Server {
    Server::start(move |request: &Request| match &request.line {
        line if line.contains("?uploads") => answer_with(
            200,
            "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
        ),
        line if line.starts_with("PUT") => decide(request),
        line if line.starts_with("POST") => answer_with(
            200,
            "<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>",
        ),
        line if line.starts_with("HEAD") => answer(403),
        _ => answer(204),
    })
    .await
}

pub(super) fn lines(server: &Server, start: &str) -> Vec<String> {
    let lines = server.requests().into_iter().map(|request| request.line);
    lines.filter(|line| line.starts_with(start)).collect()
}

#[tokio::test]
async fn a_large_file_goes_in_parts() {
    let server = parts(Act::Answer(200, "ETag: \"1\"\r\n".into(), String::new())).await;
    let file = source(b"a", &large());
    s3(&server).send(&file).await.unwrap();
    assert_eq!(sent(&file), file.bytes);
    let mut requests = server.requests();
    requests.retain(|request| request.line.starts_with("PUT"));
    requests.sort_by(|a, b| a.line.cmp(&b.line));
    let body: Vec<u8> = requests.iter().flat_map(|request| request.body.clone()).collect();
    assert!(requests.len() == 3 && body == large());
    assert_eq!(lines(&server, "DELETE"), [""; 0]);
}

/// A server that answers each request for parts like this one, and notes every other `PUT` with its number of the part.
async fn refuses_parts(refuses: impl Fn(usize) -> bool + Send + Sync + 'static) -> Server {
    let granted = Act::Answer(200, "ETag: \"1\"\r\n".into(), String::new());
    let count = AtomicUsize::new(0);
    let busy = answer_with(503, "<Error><Code>SlowDown</Code></Error>");
    parts_by(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        if refuses(number) { busy.clone() } else { granted.clone() }
    })
    .await
}

/// Only the part that was refused is sent again, in the same upload.
#[tokio::test]
async fn a_refused_part_is_repeated_alone() {
    for (refused, sent_parts) in
        [(vec![0], 4), (vec![2], 4), (vec![0, 3, 4], 6), (vec![0, 1, 2], 6)]
    {
        let shown = format!("{refused:?}");
        let server = refuses_parts(move |number| refused.contains(&number)).await;
        let (sink, file) = (s3(&server), source(b"a", &large()));
        let mut kept = 0;
        while let Err(error) = sink.send(&file).await {
            assert!(error.is_transient && error.message.contains("SlowDown"), "{error}");
            assert!(sink.kept(&file) >= kept, "{shown}: it keeps less than before");
            kept = sink.kept(&file);
        }
        assert_eq!(sink.kept(&file), 0);
        assert_eq!(lines(&server, "PUT").len(), sent_parts, "{shown}");
        assert_eq!(lines(&server, "POST /bucket/runs/1/outputs/a?uploads").len(), 1, "{shown}");
        assert_eq!(lines(&server, "DELETE"), [""; 0], "{shown}");
        let mut parts = BTreeMap::new();
        for request in server.requests() {
            if let Some((_, rest)) = request.line.split_once("partNumber=") {
                parts.insert(rest[..1].to_owned(), request.body.clone());
            }
        }
        assert!(parts.into_values().flatten().eq(large()), "{shown}: other content");
    }
}

/// Parts of another content than the one that is sent now are no parts of it.
#[tokio::test]
async fn other_content_begins_anew() {
    let server = refuses_parts(|number| number == 2).await;
    let sink = s3(&server);
    sink.send(&source(b"a", &large())).await.unwrap_err();
    let other: Vec<u8> = large().into_iter().map(|byte| !byte).collect();
    assert_eq!(sink.kept(&source(b"a", &other)), 0);
    sink.send(&source(b"a", &other)).await.unwrap();
    assert_eq!(lines(&server, "DELETE").len(), 1);
    assert_eq!(lines(&server, "PUT").len(), 6);
}

/// Stores forget uploads that are not completed. Then the file is sent anew.
#[tokio::test]
async fn an_upload_that_the_store_has_forgotten_begins_anew() {
    let count = AtomicUsize::new(0);
    let server = parts_by(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0 | 1 | 4.. => Act::Answer(200, "ETag: \"1\"\r\n".into(), String::new()),
        2 => answer(503),
        3 => answer_with(404, "<Error><Code>NoSuchUpload</Code></Error>"),
    })
    .await;
    let (sink, file) = (s3(&server), source(b"a", &large()));
    sink.send(&file).await.unwrap_err();
    let error = sink.send(&file).await.unwrap_err();
    assert!(error.is_transient && error.message.contains("has forgotten"), "{error}");
    sink.send(&file).await.unwrap();
    assert_eq!(lines(&server, "PUT").len(), 7);
}

const CLEARED: [&str; 1] = ["DELETE /bucket/runs/1/outputs/a?uploadId=u1 HTTP/1.1"];

#[tokio::test]
async fn parts_are_cleared_away() {
    for act in [answer(500), answer(403), Act::Reset(100)] {
        let server = parts(act).await;
        let (sink, file) = (s3(&server), source(b"a", &large()));
        let error = sink.send(&file).await.unwrap_err();
        // What may be tried again is kept until it is given up.
        let expected = if error.is_transient { &[][..] } else { &CLEARED };
        assert_eq!(lines(&server, "DELETE"), expected);
        sink.abandon(&file).await.unwrap();
        assert_eq!(lines(&server, "DELETE"), CLEARED);
        assert_eq!(lines(&server, "POST").len(), 1, "it was completed");
    }
    let changed = changed_source(FileKind::Output, b"a", &large(), &[&large()[..], b"x"].concat());
    let server = parts(Act::Answer(200, "ETag: \"1\"\r\n".into(), String::new())).await;
    s3(&server).send(&changed).await.unwrap_err();
    assert_eq!(lines(&server, "DELETE"), CLEARED);
    assert_eq!(lines(&server, "POST").len(), 1, "it was completed");
}

#[tokio::test]
async fn parts_of_a_sink_that_is_dropped_are_cleared_away() {
    let server = parts(Act::Stall(100_000)).await;
    let (sink, file) = (s3(&server), source(b"a", &large()));
    let began = async {
        while sent(&file) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        result = sink.send(&file) => panic!("{result:?}"),
        () = began => {}
    }
    assert_eq!(lines(&server, "DELETE"), [""; 0]);
    drop(sink);
    while lines(&server, "DELETE").is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(sent(&file) < file.bytes);
}

#[test]
fn addresses_that_cannot_be_used() {
    for (url, expected) in [
        ("s3://user:password@bucket/a", "with a password, a query or a fragment"),
        ("s3://bucket/a?X=password", "with a password, a query or a fragment"),
        (
            "file:///a",
            "`file:///a` is not the address of an object store: use `s3://bucket/prefix`",
        ),
        ("memory:///a", "is not the address of an object store"),
        ("https://host/a", "is not the address of an object store"),
    ] {
        let error = open::open(&Url::parse(url).unwrap(), &HashMap::new()).unwrap_err();
        assert!(error.message.contains(expected), "{}", error.message);
        assert!(!error.is_transient && !error.message.contains("password@"), "{}", error.message);
    }
}

#[tokio::test]
async fn an_endpoint_without_tls_must_be_allowed() {
    let server = Server::of(vec![answer(200)]).await;
    let mut variables = variables(&server);
    variables.remove("AWS_ALLOW_HTTP");
    let (store, prefix) = open::open(&Url::parse(NAME).unwrap(), &variables).unwrap();
    let sink = StoreSink::with_store(store, prefix, NAME.into(), SMALL);
    let error = sink.send(&source(b"a", b"hello")).await.unwrap_err();
    assert!(!error.is_transient && error.message.contains("AWS_ALLOW_HTTP"), "{}", error.message);
    assert!(server.requests().is_empty(), "it was sent");
}
