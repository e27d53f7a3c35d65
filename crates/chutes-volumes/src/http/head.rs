//! What the head of an answer says of the content.

use reqwest::StatusCode;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue,
    LAST_MODIFIED,
};

/// What names one state of a resource, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validator(HeaderValue);

impl Validator {
    /// The tag of the state, or the time of its last change.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        strong_etag(headers).or_else(|| headers.get(LAST_MODIFIED)).cloned().map(Self)
    }

    /// The value of `If-Range`.
    pub(super) fn value(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// The tag of the state. One that begins with `W/` stands for several that differ.
pub(super) fn strong_etag(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""))
}

/// How the server says that the content is encoded; `None` where it is as it is. An empty value says nothing.
pub(super) fn encoding(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(CONTENT_ENCODING).iter().flat_map(|value| {
        // What is not ASCII is no encoding that anything knows, but it is not nothing.
        value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
    });
    let is_one = |value: &&[u8]| !value.is_empty() && !value.eq_ignore_ascii_case(b"identity");
    let names = values.filter(is_one).map(|name| String::from_utf8_lossy(name).to_lowercase());
    let names: Vec<String> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// The size of the content of a complete answer.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    number(text(headers, CONTENT_LENGTH)?)
}

/// Which bytes of the content the body of an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// All of it, as far as the head says.
    Whole,
    /// Some of it.
    Part(Part),
    /// Some of it, and nothing sensible is said of which.
    Unclear,
}

/// A part of the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The number of its first byte.
    pub(super) first: u64,
    /// The number of the byte after its last one.
    pub(super) end: u64,
    /// The size of the whole, as far as it is known.
    pub(super) total: Option<u64>,
}

/// Which bytes an answer has. `Content-Range` counts whatever the status is: servers and proxies are known
/// to send a part with `200 OK`.
pub(super) fn extent(status: StatusCode, headers: &HeaderMap) -> Extent {
    let is_said = |value: &&HeaderValue| !value.as_bytes().trim_ascii().is_empty();
    match headers.get_all(CONTENT_RANGE).iter().find(is_said) {
        None if status == StatusCode::PARTIAL_CONTENT => Extent::Unclear,
        None => Extent::Whole,
        Some(value) => part(value).map_or(Extent::Unclear, Extent::Part),
    }
}

fn part(value: &HeaderValue) -> Option<Part> {
    let (range, total) = value.to_str().ok()?.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, end) = (number(first)?, number(last)?.checked_add(1)?);
    let total = if total == "*" { None } else { Some(number(total)?) };
    (first < end && total.is_none_or(|total| end <= total)).then_some(Part { first, end, total })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn extents() {
        let part = |first, end, total| Extent::Part(Part { first, end, total });
        for (value, expected) in [
            ("bytes 5-9/10", part(5, 10, Some(10))),
            ("bytes 5-9/*", part(5, 10, None)),
            ("bytes 5-8/10", part(5, 9, Some(10))),
            ("bytes 5-10/10", Extent::Unclear),
            ("bytes 9-5/10", Extent::Unclear),
            ("bytes */10", Extent::Unclear),
            ("bytes 5-9", Extent::Unclear),
            ("items 5-9/10", Extent::Unclear),
            ("bytes +5-9/10", Extent::Unclear),
            ("bytes 5-18446744073709551615/10", Extent::Unclear),
        ] {
            for status in [StatusCode::OK, StatusCode::PARTIAL_CONTENT] {
                assert_eq!(extent(status, &of(CONTENT_RANGE, value)), expected, "{value}");
            }
        }
        for headers in [HeaderMap::new(), of(CONTENT_RANGE, ""), of(CONTENT_RANGE, " ")] {
            assert_eq!(extent(StatusCode::OK, &headers), Extent::Whole);
            assert_eq!(extent(StatusCode::PARTIAL_CONTENT, &headers), Extent::Unclear);
        }
    }

    #[test]
    fn validators() {
        let is_one = |name, value| Validator::of(&of(name, value)).is_some();
        assert!(is_one(ETAG, "\"a\""));
        assert!(!is_one(ETAG, "W/\"a\""));
        assert!(!is_one(ETAG, "a"));
        assert!(is_one(LAST_MODIFIED, "Sun, 22 Nov 2026 01:02:03 GMT"));
    }

    #[test]
    fn encodings() {
        for (values, expected) in [
            (&[][..], None),
            (&[""], None),
            (&[" "], None),
            (&["identity"], None),
            (&["Identity", ""], None),
            (&["gzip"], Some("gzip")),
            (&["GZip"], Some("gzip")),
            (&["identity, gzip"], Some("gzip")),
            (&["aws-chunked,"], Some("aws-chunked")),
            (&["deflate", "br , zstd"], Some("deflate, br, zstd")),
        ] {
            let value = |value: &&str| (CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
            let headers: HeaderMap = values.iter().map(value).collect();
            assert_eq!(encoding(&headers).as_deref(), expected, "{values:?}");
        }
    }
}
