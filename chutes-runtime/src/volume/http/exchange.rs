//! One request with its redirects, and what its answer means.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use super::{Client, Request};
use crate::address::UnknownHost;
use crate::sink::SinkError;
use crate::sink::http::{Exchange, Refusal, Secrets, shown};
use crate::volume::VolumeError;

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 10;

/// Why an attempt came to nothing.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(super) error: VolumeError,
    /// Whether another attempt may do better.
    pub(super) may_pass: bool,
    /// How long the server asked us to wait before that.
    pub(super) retry_after: Option<Duration>,
    /// What the server said.
    pub(super) status: Option<StatusCode>,
    /// Whether there is no such server, as far as anybody knows.
    pub(super) is_unknown_host: bool,
}

/// Errors that are no answer of a server last.
impl From<VolumeError> for Trouble {
    fn from(error: VolumeError) -> Self {
        Self { error, may_pass: false, retry_after: None, status: None, is_unknown_host: false }
    }
}

impl From<SinkError> for Trouble {
    fn from(error: SinkError) -> Self {
        let SinkError { message, may_pass, retry_after } = error;
        Self { may_pass, retry_after, ..VolumeError::of_user(message).into() }
    }
}

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

    /// The answer is wrong, and will be.
    pub(super) fn lasting(&self, problem: &str) -> Trouble {
        VolumeError::of_user(format!("{}: {problem}", self.what)).into()
    }

    /// The answer is wrong, and the next may be right.
    pub(super) fn passing(&self, problem: &str) -> Trouble {
        Trouble { may_pass: true, ..self.lasting(problem) }
    }

    /// The answer has broken off.
    pub(super) fn broken(&self, error: reqwest::Error) -> Trouble {
        Trouble { may_pass: true, ..self.exchange.broken(error).into() }
    }
}

impl Client {
    /// Asks for the content of a URL, wherever it redirects to. Beside an answer with the content,
    /// there may be one that says that it has not changed.
    pub(super) async fn ask(
        &self,
        request: &Request,
        headers: &HeaderMap,
    ) -> Result<Answer, Trouble> {
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
            let Ok(sent) = self.halt.unless(timeout(self.retry.stall, sent)).await? else {
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
            // A refusal is read, too, for the words of the server.
            let judged = self.halt.unless(exchange.judge(Ok(answered))).await?;
            let response = judged.map_err(refused)?;
            return Ok(Answer { response, exchange, what: format!("GET {}", shown(&url)) });
        }
        let from = shown(&request.url);
        let message = format!("GET {from} leads to more than {MOST_REDIRECTS} redirects");
        Err(VolumeError::of_user(message).into())
    }

    fn check_url(&self, url: &Url) -> Result<(), VolumeError> {
        let checked = self.addresses.check_url(url);
        checked.map_err(|error| VolumeError::of_user(format!("GET {}: {error}", shown(url))))
    }

    fn silent(&self, url: &Url) -> Trouble {
        let stall = chutes_core::HumanDuration(self.retry.stall);
        let message = format!("GET {}: no answer for {stall}", shown(url));
        Trouble { may_pass: true, ..VolumeError::of_user(message).into() }
    }
}

/// Where an answer redirects to, if it does.
fn redirect(from: &Url, answer: &Response) -> Result<Option<Url>, VolumeError> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let wrong = |problem: &str| {
        Err(VolumeError::of_user(format!("GET {} was redirected {problem}", shown(from))))
    };
    let Some(location) = answer.headers().get(LOCATION) else {
        return wrong("without saying where to");
    };
    // Servers write more into it than they should: what is not ASCII is taken as UTF-8.
    let location = String::from_utf8_lossy(location.as_bytes());
    let Ok(next) = from.join(&location) else {
        return wrong("to something that is not a URL");
    };
    if from.scheme() == "https" && next.scheme() == "http" {
        return wrong(&format!("to {}, which is not encrypted any more", shown(&next)));
    }
    Ok(Some(next))
}

fn refused(refusal: Refusal) -> Trouble {
    let status = Some(refusal.status);
    let trouble = Trouble { status, ..refusal.error.into() };
    // Some servers have statuses of their own for a bad moment, all of them in this range.
    Trouble { may_pass: trouble.may_pass || refusal.status.is_server_error(), ..trouble }
}

fn unanswered(url: &Url, exchange: &Exchange, error: reqwest::Error) -> Trouble {
    let mut causes = std::iter::successors(error.source(), |error| (*error).source());
    if let Some(host) = causes.find_map(|cause| cause.downcast_ref::<UnknownHost>()) {
        let error = VolumeError::of_user(format!("GET {}: {host}", shown(url)));
        return Trouble { may_pass: true, is_unknown_host: true, ..error.into() };
    }
    exchange.broken(error).into()
}

/// The value of a header. An error does not show it: it may be a secret.
pub(super) fn header(value: &str) -> Result<HeaderValue, VolumeError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| {
        VolumeError::of_user("a token has characters that cannot be sent in a header")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
