//! One file from a URL: its attempts, and what of it is there.

use std::fs::File;

use chutes_core::{Escaped, Sha256Digest};
use chutes_transfer::{OngoingTransfer, Retry, Transfer, TransferCause, TransferError};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE};
use tokio::time::Instant;

use super::exchange::Answer;
use super::head::{self, Extent, Part, Validator};
use super::partial::Partial;
use super::{Client, Request};
use crate::VolumeError;
use crate::progress::FileProgress;

const RANGE_NOT_SATISFIABLE: TransferCause =
    TransferCause::Status(StatusCode::RANGE_NOT_SATISFIABLE.as_u16());

const OTHER_PART: &str = "the server sent another part than that was asked for";

const SIZE_CHANGED: &str = "the size has changed";

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) sha256: Sha256Digest,
    pub(crate) bytes: u64,
    /// The tag that the server gives this state of the content.
    pub(crate) etag: Option<String>,
    /// Whether a size or a checksum that was known says that this is all of it.
    pub(crate) is_verified: bool,
}

/// What came of a download.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// The file has the content.
    Whole(Content),
    /// The content is still the one that has this tag.
    Unchanged,
}

/// A file that is being fetched.
struct Download<'a, 'b> {
    client: &'a Client,
    request: &'a Request,
    progress: &'a mut FileProgress<'b>,
    ongoing: OngoingTransfer,
    partial: Partial,
    /// The state of the resource that the part belongs to.
    validator: Option<Validator>,
    total: Option<u64>,
    etag: Option<String>,
    /// How the server says that the content is encoded. It is kept as it came, as the store has it.
    encoding: Option<String>,
    /// The most that was ever there.
    best: u64,
    /// Whether the part comes from more than one answer.
    is_joined: bool,
    /// The tag of the content that the caller has.
    known: Option<HeaderValue>,
}

impl Client {
    /// Fetches a file into an empty one; nothing, when the content is `known` by its tag.
    pub(crate) async fn download(
        &self,
        request: &Request,
        known: Option<&str>,
        to: File,
        progress: &mut FileProgress<'_>,
    ) -> Result<Fetched, VolumeError> {
        let mut download = Download {
            client: self,
            request,
            ongoing: self.begin(request.shown(), progress.volume()),
            progress,
            partial: Partial::new(to),
            validator: None,
            total: None,
            etag: None,
            encoding: None,
            best: 0,
            is_joined: false,
            known: known.and_then(|tag| HeaderValue::from_str(tag).ok()),
        };
        Ok(self.retry.retry(&mut download).await?)
    }
}

impl Transfer for Download<'_, '_> {
    type Output = Fetched;

    async fn attempt(&mut self) -> Result<Fetched, TransferError> {
        loop {
            // A server may send less than the rest. Each part has a byte at least, so this ends.
            if let Some(fetched) = self.fetch_once().await? {
                return Ok(fetched);
            }
        }
    }

    /// Whether there is more than there ever was.
    fn has_advanced(&mut self) -> bool {
        let has_advanced = self.partial.position() > self.best;
        self.best = self.best.max(self.partial.position());
        has_advanced
    }

    fn retrying(&mut self, retry: Retry<'_>) {
        self.ongoing.retrying(retry);
        self.progress.retrying(retry);
    }

    fn deadline(&self) -> Option<Instant> {
        self.client.deadline
    }

    async fn stopped(&mut self) -> TransferError {
        self.client.abort.reached().await
    }
}

impl Download<'_, '_> {
    /// Makes one request. `None` when a part has come to its end, and more of the content is missing.
    async fn fetch_once(&mut self) -> Result<Option<Fetched>, TransferError> {
        // Without a validator it is unknown whether the rest belongs to the part.
        if self.validator.is_none() && self.partial.position() > 0 {
            self.restart().await?;
        }
        let position = self.partial.position();
        let mut answer = match self.client.ask(self.request, &self.headers()).await {
            Err(error) if error.cause == RANGE_NOT_SATISFIABLE => {
                self.restart().await?;
                return Err(TransferError { is_transient: position > 0, ..error });
            }
            answer => answer?,
        };
        if answer.status() == StatusCode::NOT_MODIFIED {
            return match self.known {
                Some(_) if position == 0 => Ok(Some(Fetched::Unchanged)),
                _ => Err(answer.transient("unchanged, says the server, which was not asked that")),
            };
        }
        let end = self.begin(&answer).await?;
        let received = self.receive(&mut answer).await;
        // What was received is kept, even if the answer broke off.
        self.partial.settle().await?;
        received?;
        match end {
            Some(end) if !self.is_last_part(&answer, end).await? => Ok(None),
            _ => self.complete(&answer).await.map(Some),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let position = self.partial.position();
        match (&self.validator, &self.known) {
            (Some(validator), _) if position > 0 => {
                // A number is always a valid header.
                if let Ok(range) = HeaderValue::try_from(format!("bytes={position}-")) {
                    headers.insert(RANGE, range);
                    headers.insert(IF_RANGE, validator.value());
                }
            }
            (_, Some(known)) => {
                headers.insert(IF_NONE_MATCH, known.clone());
            }
            _ => {}
        }
        headers
    }

    /// Throws away what is there.
    async fn restart(&mut self) -> Result<(), VolumeError> {
        self.client.budget.give_back(self.partial.position());
        (self.validator, self.total, self.is_joined) = (None, None, false);
        self.progress.report(0, None);
        self.partial.truncate().await
    }

    /// Checks the head of an answer: whether its body continues what is there. Returns where the body has to
    /// end if it is a part.
    async fn begin(&mut self, answer: &Answer) -> Result<Option<u64>, TransferError> {
        let headers = answer.headers();
        let end = match head::extent(answer.status(), headers) {
            Extent::Whole => {
                self.begin_whole(answer).await?;
                None
            }
            Extent::Part(part) => {
                self.begin_part(answer, part).await?;
                Some(part.end)
            }
            Extent::Unclear => return Err(self.start_over(answer, OTHER_PART).await?),
        };
        self.check_size(answer, self.total)?;
        if let (Some(expected), Some(total)) = (self.request.bytes, self.total)
            && expected != total
        {
            return Err(answer.transient(&self.wrong_size(total, expected)));
        }
        Ok(end)
    }

    async fn begin_whole(&mut self, answer: &Answer) -> Result<(), TransferError> {
        let headers = answer.headers();
        let (validator, total) = (Validator::of(headers), head::length(headers));
        if self.partial.position() > 0 {
            // One state of a resource has one size. What differs in it, and is not known to be another
            // state, may be the rest without a word of that.
            let may_be_same = validator.is_none() || validator == self.validator;
            if may_be_same && self.total.is_some() && total.is_some() && self.total != total {
                return Err(self.start_over(answer, SIZE_CHANGED).await?);
            }
            self.restart().await?;
        }
        self.begin_state(headers, total);
        Ok(())
    }

    async fn begin_part(&mut self, answer: &Answer, part: Part) -> Result<(), TransferError> {
        let (position, validator) = (self.partial.position(), Validator::of(answer.headers()));
        let is_partial = answer.status() == StatusCode::PARTIAL_CONTENT;
        let continues = match position {
            // It was not asked for a part.
            0 => !is_partial,
            _ if !self.may_be_encoded_alike(answer.headers()) => false,
            // Only this status says by itself that the state is the one that was asked for.
            _ if is_partial && validator.is_none() => true,
            _ => validator.is_some() && validator == self.validator,
        };
        if part.first != position || !continues {
            return Err(self.start_over(answer, OTHER_PART).await?);
        }
        if position == 0 {
            self.begin_state(answer.headers(), part.total);
        } else {
            if let (Some(before), Some(now)) = (self.total, part.total)
                && before != now
            {
                return Err(self.start_over(answer, SIZE_CHANGED).await?);
            }
            self.total = part.total.or(self.total);
            self.is_joined = true;
        }
        if !self.is_verifiable() {
            let problem = "the server sent a part and does not say how large the whole is";
            return Err(self.start_over(answer, problem).await?);
        }
        Ok(())
    }

    /// Whether a part may be of the bytes that are there. Servers that encode on the way may have one tag for
    /// the content in all its encodings. A part need not repeat the encoding: then only the size can tell.
    fn may_be_encoded_alike(&self, headers: &HeaderMap) -> bool {
        match head::encoding(headers) {
            None => self.encoding.is_none() || self.total.is_some(),
            encoding => encoding == self.encoding,
        }
    }

    /// Takes note of the state of the resource whose first byte comes next.
    fn begin_state(&mut self, headers: &HeaderMap, total: Option<u64>) {
        (self.validator, self.total) = (Validator::of(headers), total);
        self.encoding = head::encoding(headers);
        let etag = head::strong_etag(headers).and_then(|tag| tag.to_str().ok());
        self.etag = etag.map(str::to_owned);
    }

    /// Whether something is known that a whole file has to be like.
    fn is_verifiable(&self) -> bool {
        self.total.is_some() || self.request.bytes.is_some() || self.request.sha256.is_some()
    }

    /// Throws away what is there, because of an answer that does not belong to it.
    async fn start_over(
        &mut self,
        answer: &Answer,
        problem: &str,
    ) -> Result<TransferError, VolumeError> {
        self.restart().await?;
        Ok(answer.transient(problem))
    }

    /// Whether nothing comes after a part that has come to its end.
    async fn is_last_part(&mut self, answer: &Answer, end: u64) -> Result<bool, TransferError> {
        let position = self.partial.position();
        if position > end {
            return Err(self.start_over(answer, "the part is longer than it says").await?);
        }
        if position < end {
            return Err(answer.transient("the part is shorter than it says"));
        }
        let is_last = self.total.or(self.request.bytes).is_none_or(|total| position >= total);
        if !is_last && self.validator.is_none() {
            return Err(self.start_over(answer, OTHER_PART).await?);
        }
        Ok(is_last)
    }

    fn check_size(&self, answer: &Answer, bytes: Option<u64>) -> Result<(), TransferError> {
        let checked = self.client.check_size(bytes.unwrap_or_default());
        checked.map_err(|error| answer.permanent(&error.message))
    }

    async fn receive(&mut self, answer: &mut Answer) -> Result<(), TransferError> {
        while let Some(chunk) = self.client.chunk(answer).await? {
            let bytes = self.partial.position() + chunk.len() as u64;
            self.check_size(answer, Some(bytes))?;
            self.client.budget.take(chunk.len() as u64)?;
            self.partial.append(chunk).await?;
            self.progress.report(bytes, self.total);
        }
        Ok(())
    }

    /// Checks what is there when an answer has come to its end.
    async fn complete(&mut self, answer: &Answer) -> Result<Fetched, TransferError> {
        let bytes = self.partial.position();
        if let Some(expected) = self.total.or(self.request.bytes)
            && bytes != expected
        {
            let problem = self.wrong_size(bytes, expected);
            self.restart().await?;
            return Err(answer.transient(&problem));
        }
        let sha256 = self.partial.digest().await?;
        match self.request.sha256 {
            Some(expected) if expected != sha256 => {
                let problem = format!(
                    "the content has the SHA-256 checksum {sha256} and not {expected}{}",
                    self.encoding_note()
                );
                // Parts that do not belong together are the fault of the server, not of the spec.
                if self.is_joined {
                    self.restart().await?;
                    return Err(answer.transient(&problem));
                }
                Err(answer.permanent(&problem))
            }
            _ => {
                let (etag, is_verified) = (self.etag.take(), self.is_verifiable());
                Ok(Fetched::Whole(Content { sha256, bytes, etag, is_verified }))
            }
        }
    }

    fn wrong_size(&self, bytes: u64, expected: u64) -> String {
        format!("the file has {bytes} bytes and not {expected}{}", self.encoding_note())
    }

    /// Why the bytes may be others than those that were expected.
    fn encoding_note(&self) -> String {
        self.encoding.as_ref().map_or_else(String::new, |encoding| {
            let encoding = Escaped(encoding);
            format!(" (the server says that it is encoded, `{encoding}`; it is not decoded)")
        })
    }
}
