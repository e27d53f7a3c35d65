//! What the head of an answer says of the content.

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

/// Refuses content that would have to be decoded: its size and its checksum would be those of the encoded
/// bytes.
pub(super) fn check_encoding(headers: &HeaderMap) -> Result<(), String> {
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    match headers.get_all(CONTENT_ENCODING).iter().find(|value| !is_plain(value)) {
        None => Ok(()),
        Some(value) => Err(format!(
            "the content is encoded (`{}`), although it was asked for as it is",
            String::from_utf8_lossy(value.as_bytes()).escape_debug()
        )),
    }
}

/// The size of the content of a complete answer.
pub(super) fn length(headers: &HeaderMap) -> Option<u64> {
    number(text(headers, CONTENT_LENGTH)?)
}

/// Where a part begins, and the size of the whole as far as it is known. `None` when nothing sensible
/// is said.
pub(super) fn range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let (range, total) = text(headers, CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let total = if total == "*" { None } else { Some(number(total)?) };
    // A part that is not the rest would leave the file incomplete.
    let is_rest = total.is_none_or(|total| last.checked_add(1) == Some(total));
    (first <= last && is_rest).then_some((first, total))
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
    fn ranges() {
        for (value, expected) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes 5-8/10", None),
            ("bytes 9-5/10", None),
            ("bytes */10", None),
            ("bytes 5-9", None),
            ("items 5-9/10", None),
            ("bytes +5-9/10", None),
            ("bytes 5-18446744073709551615/10", None),
            ("", None),
        ] {
            assert_eq!(range(&of(CONTENT_RANGE, value)), expected, "{value}");
        }
        assert_eq!(range(&HeaderMap::new()), None);
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
        for (value, is_plain) in
            [("identity", true), ("Identity", true), ("gzip", false), ("", false)]
        {
            assert_eq!(check_encoding(&of(CONTENT_ENCODING, value)).is_ok(), is_plain, "{value}");
        }
        assert!(check_encoding(&HeaderMap::new()).is_ok());
    }
}
