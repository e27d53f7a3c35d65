//! Parts of a file: what they are taken for is decided by ranges and lengths, never by the status alone.

use super::*;

const SIZE: usize = 300_000;

/// The content from one byte up to another, as a part of it.
fn part(status: u16, tag: &str, range: std::ops::Range<usize>) -> Act {
    let (first, last) = (range.start, range.end - 1);
    let headers = format!("{tag}Content-Range: bytes {first}-{last}/{SIZE}\r\n");
    Act::Answer(status, headers, expected()[range].to_vec())
}

const TAG: &str = "ETag: \"v1\"\r\n";

fn expected() -> Vec<u8> {
    (0..300_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect()
}

fn begin() -> Act {
    broken(&expected(), "\"v1\"", 100_000)
}

#[tokio::test]
async fn the_rest_with_the_status_of_the_whole_is_the_rest() {
    let server = check(vec![begin(), part(200, TAG, 100_000..SIZE)], &expected()).await;
    assert_eq!(server.requests().len(), 2);
    // Also when it is not all of the rest, or the whole with its range.
    let acts = vec![begin(), part(200, TAG, 100_000..200_000), part(206, TAG, 200_000..SIZE)];
    check(acts, &expected()).await;
    check(vec![part(200, TAG, 0..100_000), part(206, TAG, 100_000..SIZE)], &expected()).await;
    check(vec![part(200, "", 0..SIZE)], &expected()).await;
}

/// What may be the rest of another state, or the rest without a word of that.
#[tokio::test]
async fn a_rest_that_may_be_of_something_else_is_thrown_away() {
    let whole = || content(&expected(), "\"v1\"");
    for rest in [
        part(200, "", 100_000..SIZE),
        part(200, "ETag: \"v2\"\r\n", 100_000..SIZE),
        part(200, TAG, 150_000..SIZE),
        Act::Answer(200, TAG.into(), expected()[100_000..].to_vec()),
        Act::Answer(200, String::new(), expected()[100_000..].to_vec()),
        Act::Answer(200, format!("{TAG}Content-Range: what?\r\n"), expected()),
        Act::Answer(206, TAG.into(), expected()[100_000..].to_vec()),
    ] {
        let server = check(vec![begin(), rest, whole()], &expected()).await;
        assert_eq!(server.requests()[2].header("range"), None);
    }
}

#[tokio::test]
async fn a_part_is_never_the_whole() {
    let client = client();
    for act in [
        part(200, TAG, 100_000..SIZE),
        part(200, "", 0..100_000),
        part(206, TAG, 0..SIZE),
        Act::Answer(200, "Content-Range: bytes 0-4/*\r\n".into(), b"hello".into()),
        Act::Answer(200, "Content-Range: bytes 0-3/4\r\n".into(), b"hello".into()),
        Act::Answer(200, "Content-Range: bytes 0-5/6\r\n".into(), b"hello".into()),
    ] {
        let (message, requests) = refused(vec![act], &client, |_| {}).await;
        assert!(message.ends_with("(after 4 attempts)"), "{message}");
        assert_eq!(requests, 4, "{message}");
    }
}

#[tokio::test]
async fn parts_that_are_less_than_the_rest_are_gone_on_from() {
    const PIECE: usize = 64 * 1024;
    let server = Server::start(|request| {
        let from = request.header("range").map(|range| {
            let first = range.strip_prefix("bytes=").unwrap().strip_suffix('-').unwrap();
            first.parse::<usize>().unwrap()
        });
        match from {
            None => begin(),
            Some(first) => part(206, TAG, first..(first + PIECE).min(SIZE)),
        }
    })
    .await;
    let (fetched, there) = download(&client(), &request(&server.url), None).await;
    assert!(fetched.is_ok());
    assert!(there == expected());
    // 200,000 bytes in parts.
    assert_eq!(server.requests().len(), 1 + 4);
}

/// The connection breaks within a part, or the part has less than its head says.
#[tokio::test]
async fn a_part_that_is_shorter_than_it_says_is_gone_on_from() {
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\n{TAG}Content-Range: bytes 100000-299999/300000\r\n"
    );
    let chunk =
        [b"Transfer-Encoding: chunked\r\n\r\n5\r\n", &expected()[100_000..100_005]].concat();
    let short = [head.as_bytes(), &chunk, b"\r\n0\r\n\r\n"].concat();
    let acts = vec![begin(), Act::Raw(short), content(&expected(), "\"v1\"")];
    let server = check(acts, &expected()).await;
    assert_eq!(server.requests()[2].header("range"), Some("bytes=100005-"));
}

#[tokio::test]
async fn only_a_size_or_a_checksum_verifies() {
    let unsized_answer = || Act::Raw(b"HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\nhello".into());
    let is_verified = async |act: Act, change: fn(&mut Request)| {
        let server = Server::of(vec![act]).await;
        let mut request = request(&server.url);
        change(&mut request);
        let (fetched, _) = download(&client(), &request, None).await;
        matches!(fetched, Ok(Fetched::Whole(content)) if content.is_verified)
    };
    assert!(is_verified(plain(b"hello"), |_| {}).await);
    assert!(!is_verified(unsized_answer(), |_| {}).await);
    assert!(is_verified(unsized_answer(), |request| request.bytes = Some(5)).await);
    let checksum = |request: &mut Request| request.sha256 = Some(sha256(b"hello"));
    assert!(is_verified(unsized_answer(), checksum).await);
}
