//! One request, and what its answer means: whether it was granted, whether it may be repeated, and what
//! may be shown of it.

use std::error::Error;
use std::io;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::{Secrets, rate_limit, shown};
use crate::address::RefusedAddress;
use crate::error::{TransferCause, TransferError};

/// How much of a body is read to say what was wrong, in bytes.
const READ_OF_ERROR: usize = 16 * 1024;

/// How much of it is shown, in characters.
const SHOWN_OF_ERROR: usize = 200;

/// The error codes of S3 for a connection that was too slow, for two requests that met, and for parts of
/// an upload that were cleared away.
const TRANSIENT_CODES: [&str; 4] =
    ["IncompleteBody", "NoSuchUpload", "OperationAborted", "RequestTimeout"];

/// How large an answer may be that is read to its end, in bytes.
const LARGEST: usize = 64 * 1024 * 1024;

/// How long the server may be silent within it.
const SILENCE: Duration = Duration::from_mins(1);

/// How long to wait for the rest of an answer whose status says all.
const REST_TIME: Duration = Duration::from_secs(10);

/// One request, and what may be shown of it.
#[derive(Debug)]
pub struct Exchange {
    /// The method and the URL, as they are shown.
    what: String,
    secrets: Secrets,
    /// A status besides 2xx that means success.
    also: Option<StatusCode>,
}

/// An answer that does not grant the request, or none at all.
#[derive(Debug)]
pub struct Refusal {
    /// The status; 200 when there was no answer, and so no server refused anything.
    pub status: StatusCode,
    /// The beginning of the body. It may contain secrets, so it must not be shown.
    pub body: String,
    /// What may be shown.
    pub error: TransferError,
}

impl Exchange {
    /// A request to this URL. `more` are secrets that are not in the URL.
    #[must_use]
    pub fn new(method: &str, url: &Url, more: &Secrets) -> Self {
        let mut secrets = Secrets::of(url);
        secrets.extend(more);
        Self { what: format!("{method} {}", shown(url)), secrets, also: None }
    }

    /// The same request, when this status means success, too.
    #[must_use]
    pub fn accepting(self, also: Option<StatusCode>) -> Self {
        Self { also, ..self }
    }

    /// Judges what came of the request, before the body of its answer is read.
    ///
    /// # Errors
    ///
    /// When the request was refused, or was not answered.
    pub async fn judge(&self, sent: Result<Response, reqwest::Error>) -> Result<Response, Refusal> {
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

    /// The error of an answer that refuses the request. Its body may have been `cut`.
    #[must_use]
    pub fn refusal(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
        cut: bool,
    ) -> TransferError {
        let limited = rate_limit::is_reached(status, headers);
        let is_transient = limited || is_transient(status, body);
        let asked = rate_limit::asked_wait(headers, Timestamp::now());
        let retry_after = asked.filter(|_| is_transient);
        let mut message = format!("{} was answered with {status}", self.what);
        if let Some(region) = region(headers) {
            message =
                format!("{message}: the bucket is in the region `{region}`, which is to be set");
        } else if status.is_redirection() {
            message.push_str(": give the address that this one redirects to");
        }
        let excerpt = self.secrets.excerpt(body, SHOWN_OF_ERROR, cut);
        if !excerpt.is_empty() {
            message = format!("{message}: {excerpt}");
        }
        let cause = TransferCause::Status(status.as_u16());
        TransferError { message, is_transient, retry_after, cause }
    }

    /// Reads an answer to its end.
    ///
    /// # Errors
    ///
    /// When the answer is too large, or breaks off, or no byte of it comes for a minute.
    pub async fn read(&self, mut response: Response) -> Result<Vec<u8>, TransferError> {
        let mut body = Vec::new();
        loop {
            match timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => return Ok(body),
                Ok(Err(error)) => return Err(self.broken(error)),
                Err(_) => {
                    return Err(TransferError::transient(format!(
                        "the answer to {} stopped",
                        self.what
                    )));
                }
            }
            if body.len() > LARGEST {
                return Err(TransferError::permanent(format!(
                    "the answer to {} is too large",
                    self.what
                )));
            }
        }
    }

    /// The error of a request that has no answer.
    #[must_use]
    pub fn broken(&self, error: reqwest::Error) -> TransferError {
        let mut sources = std::iter::successors(error.source(), |error| (*error).source());
        if let Some(address) = sources.find_map(|cause| cause.downcast_ref::<RefusedAddress>()) {
            return TransferError::permanent(format!("{}: {address}", self.what));
        }
        let is_transient = !error.is_builder() && !is_untrusted(&error);
        let why = self.secrets.hide(&causes(error));
        let message = format!("{} failed: {why}", self.what);
        TransferError { is_transient, ..TransferError::permanent(message) }
    }
}

/// There was no answer.
impl From<TransferError> for Refusal {
    fn from(error: TransferError) -> Self {
        Self { status: StatusCode::default(), body: String::new(), error }
    }
}

/// The region that S3 names when the request came to another one.
fn region(headers: &HeaderMap) -> Option<&str> {
    let region = headers.get("x-amz-bucket-region")?.to_str().ok()?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (!region.is_empty() && region.len() <= 64 && region.bytes().all(is_name)).then_some(region)
}

/// Whether a request with this answer may be granted later.
fn is_transient(status: StatusCode, body: &str) -> bool {
    match status.as_u16() {
        // What the server cannot do at all, or has no room for. All others are faults of a moment: also those that only
        // some proxies know, like 520 to 524 and 529.
        501 | 505 | 506 | 507 | 508 | 510 | 511 => false,
        408 | 425 | 429 | 500..600 => true,
        // S3 has codes of its own for some of these, under a status that means something else.
        400 | 404 | 409 => {
            TRANSIENT_CODES.iter().any(|code| body.contains(&format!("<Code>{code}</Code>")))
        }
        _ => false,
    }
}

/// Whether the other end has no certificate for its name, or does not speak TLS, which waiting does not
/// change.
fn is_untrusted(error: &reqwest::Error) -> bool {
    let mut causes = sources(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    error.is_connect() && causes.any(is_invalid)
}

/// TLS reports that as `InvalidData`, wrapped in other I/O errors, which do not name it as their source.
fn is_invalid(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
    error.kind() == io::ErrorKind::InvalidData || inner.is_some_and(is_invalid)
}

fn sources(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source())
}

/// The causes of an error in one line. The error itself is left out: it says no more than they do.
#[must_use]
pub fn causes(error: reqwest::Error) -> String {
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

/// The beginning of a body, and whether there is more of it. What cannot be read is left out: the status
/// has been understood.
pub async fn beginning(mut response: Response, most: usize) -> (Vec<u8>, bool) {
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

/// Reads the rest of an answer that has been understood, so that its connection can be used again.
pub async fn drain(response: Response) {
    beginning(response, READ_OF_ERROR).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transient_answers() {
        let transient = |body: &str| -> Vec<u16> {
            let is_transient =
                |status: &u16| is_transient(StatusCode::from_u16(*status).unwrap(), body);
            (100..600).filter(is_transient).collect()
        };
        let never = [501, 505, 506, 507, 508, 510, 511];
        let of_servers = (500..600).filter(|status| !never.contains(status));
        let expected: Vec<u16> = [408, 425, 429].into_iter().chain(of_servers.clone()).collect();
        assert_eq!(transient(""), expected);
        assert_eq!(transient("<Code>AccessDenied</Code>"), transient(""));
        let of_s3 = transient("<Error><Code>RequestTimeout</Code></Error>");
        let expected = [400, 404, 408, 409, 425, 429].into_iter().chain(of_servers);
        assert!(of_s3.iter().copied().eq(expected), "{of_s3:?}");
    }
}
