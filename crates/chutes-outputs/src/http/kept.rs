//! What is kept of the answer of a server that took a file.

use chutes_core::UploadResponse;
use chutes_transfer::http::beginning;
use reqwest::Response;

/// What is kept of an answer that has been understood, where the spec declares where this file goes.
pub(crate) async fn keep(response: Response, file: String) -> UploadResponse {
    let status = response.status().as_u16();
    let mut room = UploadResponse::KEPT;
    let mut headers = Vec::new();
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let Some(left) = room.checked_sub(name.as_str().len() + value.len()) else { break };
        room = left;
        headers.push((name.as_str().to_owned(), value));
    }
    let (body, cut) = beginning(response, UploadResponse::KEPT).await;
    UploadResponse { file, status, headers, body: text(&body, cut) }
}

/// Bytes as text. Of what was `cut` there may be only a part of the last character.
fn text(bytes: &[u8], cut: bool) -> String {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if cut && error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    };
    String::from_utf8_lossy(whole).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_as_text() {
        for (bytes, cut, expected) in [
            (&b"abc"[..], false, "abc"),
            (b"a\xc3\xa9", true, "a\u{e9}"),
            (b"a\xc3", true, "a"),
            (b"a\xc3", false, "a\u{fffd}"),
            (b"\xffa", true, "\u{fffd}a"),
        ] {
            assert_eq!(text(bytes, cut), expected);
        }
    }
}
