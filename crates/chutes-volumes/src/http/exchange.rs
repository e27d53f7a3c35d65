//! One request with its redirects, and what its answer means.

use std::error::Error;

use chutes_transfer::http::{Exchange, Refusal, Secrets, UnknownHost, shown};
use chutes_transfer::{TransferCause, TransferError};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::{Client, Request};
use crate::VolumeError;

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 10;

/// An answer whose body has not been read.
pub(crate) struct Answer {
    pub(super) response: Response,
    exchange: Exchange,
    what: String,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The answer is wrong, and the next will be, too.
    pub(super) fn permanent(&self, problem: &str) -> TransferError {
        TransferError::permanent(format!("{}: {problem}", self.what))
    }

    /// The answer is wrong, and the next may be right.
    pub(super) fn transient(&self, problem: &str) -> TransferError {
        TransferError::transient(format!("{}: {problem}", self.what))
    }

    /// The answer has broken off.
    pub(super) fn broken(&self, error: reqwest::Error) -> TransferError {
        TransferError { is_transient: true, ..self.exchange.broken(error) }
    }
}

impl Client {
    /// Requests the content of a URL, and follows redirects. The answer has the content, or says that it has
    /// not changed.
    pub(super) async fn ask(
        &self,
        request: &Request,
        headers: &HeaderMap,
    ) -> Result<Answer, TransferError> {
        let mut secrets = Secrets::of(&request.url);
        if let Some(authorization) = &request.authorization {
            secrets.add(authorization.reveal());
        }
        let mut url = request.url.clone();
        for _ in 0..=MOST_REDIRECTS {
            self.check_url(&url)?;
            let mut headers = headers.clone();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if let Some(authorization) = &request.authorization
                && url.origin() == request.url.origin()
            {
                headers.insert(AUTHORIZATION, header(authorization.reveal())?);
            }
            let exchange =
                Exchange::new("GET", &url, &secrets).accepting(Some(StatusCode::NOT_MODIFIED));
            let sent = self.http.get(url.clone()).headers(headers).send();
            let Ok(sent) = self.abort.unless(timeout(self.retry.stall, sent)).await? else {
                return Err(self.silent(&url));
            };
            let answered = match sent {
                Err(error) => return Err(unanswered(&url, &exchange, error)),
                Ok(response) => response,
            };
            if let Some(next) = redirect(&url, &answered)? {
                secrets.extend(&Secrets::of(&next));
                url = next;
                continue;
            }
            // The body of a refusal is read, too, for its message.
            let judged = self.abort.unless(exchange.judge(Ok(answered))).await?;
            let response = judged.map_err(refused)?;
            return Ok(Answer { response, exchange, what: format!("GET {}", shown(&url)) });
        }
        let from = shown(&request.url);
        let message = format!("GET {from} leads to more than {MOST_REDIRECTS} redirects");
        Err(TransferError::permanent(message))
    }

    fn check_url(&self, url: &Url) -> Result<(), VolumeError> {
        let checked = self.addresses.check_url(url);
        checked
            .map_err(|error| VolumeError::download_failed(format!("GET {}: {error}", shown(url))))
    }

    fn silent(&self, url: &Url) -> TransferError {
        let stall = chutes_core::HumanDuration(self.retry.stall);
        let message = format!("GET {}: no answer for {stall}", shown(url));
        TransferError::transient(message)
    }
}

/// Where an answer redirects to, if it does.
fn redirect(from: &Url, answer: &Response) -> Result<Option<Url>, VolumeError> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let wrong = |problem: &str| {
        Err(VolumeError::download_failed(format!("GET {} was redirected {problem}", shown(from))))
    };
    let Some(location) = answer.headers().get(LOCATION) else {
        return wrong("without saying where to");
    };
    // Some servers do not encode it: what is not ASCII is taken as UTF-8.
    let location = String::from_utf8_lossy(location.as_bytes());
    let Ok(next) = from.join(&location) else {
        return wrong("to something that is not a URL");
    };
    if from.scheme() == "https" && next.scheme() == "http" {
        return wrong(&format!("to {}, which is not encrypted any more", shown(&next)));
    }
    Ok(Some(next))
}

fn refused(refusal: Refusal) -> TransferError {
    let Refusal { status, mut error, .. } = refusal;
    // Some servers have statuses of their own for a bad moment, all of them in this range.
    error.is_transient |= status.is_server_error();
    error
}

fn unanswered(url: &Url, exchange: &Exchange, error: reqwest::Error) -> TransferError {
    let mut causes = std::iter::successors(error.source(), |error| (*error).source());
    if let Some(host) = causes.find_map(|cause| cause.downcast_ref::<UnknownHost>()) {
        let error = TransferError::transient(format!("GET {}: {host}", shown(url)));
        return TransferError { cause: TransferCause::UnknownHost, ..error };
    }
    exchange.broken(error)
}

/// The value of a header. An error does not show it: it may be a secret.
pub(super) fn header(value: &str) -> Result<HeaderValue, VolumeError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        VolumeError::download_failed("a token has characters that cannot be sent in a header")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
