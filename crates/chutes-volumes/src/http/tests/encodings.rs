//! Content that a store says is encoded: its bytes arrive as they are stored, whatever they are called.

use super::*;

fn encoded(encoding: &str, body: &[u8]) -> Act {
    Act::Answer(200, format!("Content-Encoding: {encoding}\r\nETag: \"a\"\r\n"), body.into())
}

/// Sizes, ranges and checksums are those of the stored bytes.
#[tokio::test]
async fn stored_bytes_arrive_as_they_are_stored() {
    let body = large();
    for encoding in
        ["", " ", "identity", "gzip", "GZIP", "br", "aws-chunked", "gzip, gzip", "\u{e9}"]
    {
        let server = check(vec![encoded(encoding, &body)], &body).await;
        assert_eq!(server.requests()[0].header("accept-encoding"), Some("identity"));
        let server = Server::of(vec![encoded(encoding, &body)]).await;
        let (sha256, bytes) = (Some(sha256(&body)), Some(body.len() as u64));
        let request = Request { sha256, bytes, ..request(&server.url) };
        let (fetched, there) = download(&client(), &request, None).await;
        assert!(
            matches!(fetched, Ok(Fetched::Whole(content)) if content.is_verified),
            "{encoding}"
        );
        assert!(there == body, "{encoding}");
    }
}

#[tokio::test]
async fn a_mismatch_names_the_encoding() {
    let expected = "(the server says that it is encoded, `gzip`; it is not decoded)";
    let body = || vec![encoded("gzip", b"x")];
    let (message, _) = refused(body(), &client(), |request| request.bytes = Some(2)).await;
    assert!(message.contains(expected), "{message}");
    let checksum = |request: &mut Request| request.sha256 = Some(sha256(b"y"));
    let (message, _) = refused(body(), &client(), checksum).await;
    assert!(message.contains(expected), "{message}");
}

/// The tag of the content in one encoding may be that of all, whatever the rules are.
#[tokio::test]
async fn parts_of_other_encodings_do_not_belong_together() {
    let whole = b"hello";
    let begin = |encoding: &str, length: &str| {
        let head = format!("HTTP/1.1 200 OK\r\n{encoding}{length}ETag: \"a\"\r\n");
        Act::Raw(
            format!("{head}\r\n{}", if length.starts_with('T') { "3\r\nhel\r\n" } else { "hel" })
                .into(),
        )
    };
    let rest = |encoding: &str| {
        let headers = format!("ETag: \"a\"\r\n{encoding}Content-Range: bytes 3-4/5\r\n");
        Act::Answer(206, headers, b"lo".into())
    };
    let (gzip, plain) = ("Content-Encoding: gzip\r\n", "");
    let (sized, chunked) = ("Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n");
    for (first, length, second, belongs) in [
        (gzip, sized, gzip, true),
        (gzip, chunked, gzip, true),
        // A part need not repeat what the whole had.
        (gzip, sized, plain, true),
        (gzip, chunked, plain, false),
        (plain, sized, gzip, false),
        (gzip, sized, "Content-Encoding: br\r\n", false),
    ] {
        let acts = vec![begin(first, length), rest(second), content(whole, "\"a\"")];
        let server = check(acts, whole).await;
        let requests = if belongs { 2 } else { 3 };
        assert_eq!(server.requests().len(), requests, "{first:?} {length:?} {second:?}");
    }
}

/// What is read here and now has to be readable.
#[tokio::test]
async fn small_answers_that_are_encoded_are_refused() {
    let server = Server::of(vec![encoded("gzip", b"x")]).await;
    let error = client().get_json(&request(&server.url), &volume()).await.unwrap_err();
    assert!(error.message.contains("the answer is encoded (`gzip`)"), "{error}");
    let server = Server::of(vec![encoded("", b"[]")]).await;
    assert_eq!(client().get_json(&request(&server.url), &volume()).await.unwrap().0, b"[]");
}
