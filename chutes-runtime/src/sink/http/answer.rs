//! What an answer means: whether the request was granted, may be repeated, and what may be told of it.

use std::error::Error;
use std::io;
use std::time::Duration;

#[cfg(feature = "http")]
use chutes_core::UploadResponse;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::{Secrets, passing, permanent, shown};
use crate::address::RefusedAddress;
use crate::sink::SinkError;

/// How much of a body is read to say what was wrong, in bytes.
const READ_OF_ERROR: usize = 16 * 1024;

/// How much of it is shown, in characters.
const SHOWN_OF_ERROR: usize = 200;

/// What S3 says when the connection was too slow, when two requests met, and when parts of an upload
/// were cleared away.
const PASSING_CODES: [&str; 4] =
    ["IncompleteBody", "NoSuchUpload", "OperationAborted", "RequestTimeout"];

/// How large an answer may be that is read to its end, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// How long the server may be silent within it.
const SILENCE: Duration = Duration::from_mins(1);

/// How long we wait for the rest of an answer whose status says all.
const REST_TIME: Duration = Duration::from_secs(10);

/// One request, and what may be told of it.
pub(crate) struct Exchange {
    /// The method and the address, as they are shown.
    what: String,
    secrets: Secrets,
    /// A status besides 2xx that means success.
    also: Option<StatusCode>,
}

/// An answer that is not the one that was hoped for, or none at all.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// 200 when there was no answer: nobody has refused anything.
    pub(crate) status: StatusCode,
    /// The beginning of the body, with whatever it contains: never to be shown.
    pub(crate) body: String,
    pub(crate) error: SinkError,
}

impl Exchange {
    /// A request to this address. What else is secret in it is given beside.
    pub(crate) fn new(method: &str, url: &Url, more: &Secrets) -> Self {
        let mut secrets = Secrets::of(url);
        secrets.extend(more);
        Self { what: format!("{method} {}", shown(url)), secrets, also: None }
    }

    /// The same request, when this status means success, too.
    pub(crate) fn accepting(self, also: Option<StatusCode>) -> Self {
        Self { also, ..self }
    }

    /// Judges what came of the request, before its answer is read any further.
    pub(crate) async fn judge(
        &self,
        sent: Result<Response, reqwest::Error>,
    ) -> Result<Response, Refusal> {
        match sent {
            Ok(response) if self.is_granted(response.status()) => Ok(response),
            Ok(response) => Err(self.refused(response).await),
            Err(error) => Err(self.broken(error).into()),
        }
    }

    fn is_granted(&self, status: StatusCode) -> bool {
        status.is_success() || self.also == Some(status)
    }

    async fn refused(&self, response: Response) -> Refusal {
        let (status, headers) = (response.status(), response.headers().clone());
        let (body, cut) = beginning(response, READ_OF_ERROR).await;
        let body = String::from_utf8_lossy(&body).into_owned();
        let error = self.refusal(status, &headers, &body, cut);
        Refusal { status, body, error }
    }

    /// What to tell of an answer, whose body may have been `cut`.
    pub(crate) fn refusal(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
        cut: bool,
    ) -> SinkError {
        let may_pass = may_pass(status, body);
        let retry_after = retry_after(headers, Timestamp::now()).filter(|_| may_pass);
        let mut message = format!("{} was answered with {status}", self.what);
        if status.is_redirection() {
            message.push_str(": give the address that this one redirects to");
        } else {
            let excerpt = self.secrets.excerpt(body, SHOWN_OF_ERROR, cut);
            if !excerpt.is_empty() {
                message = format!("{message}: {excerpt}");
            }
        }
        SinkError { message, may_pass, retry_after }
    }

    /// Reads an answer to its end, as long as it gets on.
    pub(crate) async fn read(&self, mut response: Response) -> Result<Vec<u8>, SinkError> {
        let mut body = Vec::new();
        loop {
            match timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(body),
                Ok(Err(error)) => return Err(self.broken(error)),
                Err(_) => return Err(passing(format!("the answer to {} stopped", self.what))),
            }
            if body.len() > LARGEST {
                return Err(permanent(format!("the answer to {} is too large", self.what)));
            }
        }
    }

    /// What to tell of a request that has no answer.
    pub(crate) fn broken(&self, error: reqwest::Error) -> SinkError {
        let mut sources = std::iter::successors(error.source(), |error| (*error).source());
        if let Some(address) = sources.find_map(|cause| cause.downcast_ref::<RefusedAddress>()) {
            return permanent(format!("{}: {address}", self.what));
        }
        let may_pass = !error.is_builder() && !is_untrusted(&error);
        let why = self.secrets.hide(&causes(error));
        let message = format!("{} failed: {why}", self.what);
        SinkError { message, may_pass, retry_after: None }
    }
}

/// Nothing was answered.
impl From<SinkError> for Refusal {
    fn from(error: SinkError) -> Self {
        Self { status: StatusCode::default(), body: String::new(), error }
    }
}

/// Whether a request that was answered so may be granted later.
fn may_pass(status: StatusCode, body: &str) -> bool {
    match status.as_u16() {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => true,
        // S3 has its own word for some of these, under a status that says something else.
        400 | 404 | 409 => {
            PASSING_CODES.iter().any(|code| body.contains(&format!("<Code>{code}</Code>")))
        }
        _ => false,
    }
}

/// How long the server asked us to wait: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Whether the other end is not who it should be, or does not speak TLS, which waiting does not change.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut causes = sources(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    error.is_connect() && causes.any(is_invalid)
}

/// TLS says so by `InvalidData`, wrapped in other errors of its kind, which do not name it as their
/// source.
fn is_invalid(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    error.kind() == io::ErrorKind::InvalidData || inner.is_some_and(is_invalid)
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source())
}

/// The causes of an error in one line. The error itself is left out: it says no more than that.
pub(crate) fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut causes: Vec<String> = Vec::new();
    for cause in sources(&error).map(ToString::to_string) {
        let is_new = causes.last().is_none_or(|last| !last.contains(&cause));
        if is_new && !cause.starts_with("client error") {
            causes.push(cause);
        }
    }
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}

/// The beginning of a body, and whether there is more of it. What cannot be read is left out: the
/// status has been understood.
async fn beginning(mut response: Response, most: usize) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    let read = async {
        while body.len() <= most {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => return false,
                Err(_) => break,
            }
        }
        true
    };
    let cut = timeout(REST_TIME, read).await.unwrap_or(true);
    body.truncate(most);
    (body, cut)
}

/// Reads what is left of an answer that has been understood, so that its connection can be used again.
pub(crate) async fn drain(response: Response) {
    beginning(response, READ_OF_ERROR).await;
}

/// What is kept of an answer that has been understood, for those who declared where this file goes.
#[cfg(feature = "http")]
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
#[cfg(feature = "http")]
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
    fn retry_after_values() {
        let now: Timestamp = "2026-11-22T01:02:03Z".parse().unwrap();
        for (value, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 22 Nov 2026 01:03:03 GMT", Some(60)),
            ("Sun, 22 Nov 2026 01:00:00 GMT", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, value.parse().unwrap())]);
            let expected = expected.map(Duration::from_secs);
            assert_eq!(retry_after(&headers, now), expected, "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[cfg(feature = "http")]
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

    #[test]
    fn what_may_pass() {
        let passing = |body: &str| -> Vec<u16> {
            let may_pass = |status: &u16| may_pass(StatusCode::from_u16(*status).unwrap(), body);
            (100..600).filter(may_pass).collect()
        };
        assert_eq!(passing(""), [408, 425, 429, 500, 502, 503, 504]);
        assert_eq!(passing("<Code>AccessDenied</Code>"), passing(""));
        let of_s3 = passing("<Error><Code>RequestTimeout</Code></Error>");
        assert_eq!(of_s3, [400, 404, 408, 409, 425, 429, 500, 502, 503, 504]);
    }
}
