//! Files from URLs: tried again when that may help, resumed where they broke off, and never larger
//! than they may be.
//!
//! ```text
//! exchange    one request, with its redirects, and what its answer means
//! download    one file: its attempts, and what of it is there
//! partial     the part of a file that is there
//! head        what the head of an answer says of the content
//! ```

mod download;
mod exchange;
mod head;
mod partial;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};

use chutes_core::{Escaped, HumanDuration, HumanSize, SecretText, Sha256Digest};
use chutes_transfer::http::{Resolver, guarded_client, shown};
use chutes_transfer::{
    AddressPolicy, OngoingTransfer, OngoingTransfers, Retry, RetryPolicy, Transfer, TransferError,
};
use reqwest::header::HeaderMap;
use tokio::time::{Instant, timeout};
use url::Url;

pub(crate) use self::download::{Content, Fetched};
use super::VolumeError;
use super::abort::FetchAbort;
use super::control::FetchControl;
use super::progress::Progress;
use super::settings::Settings;

/// The largest answer that is read into memory, in bytes.
const LARGEST_JSON: usize = 64 * 1024 * 1024;

/// A file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) url: Url,
    /// The value of a header, `Bearer …`. Sent to the host of the URL only, not to where it redirects.
    pub(crate) authorization: Option<SecretText>,
    /// What the content has to be.
    pub(crate) sha256: Option<Sha256Digest>,
    /// The size of the content, where it is known before.
    pub(crate) bytes: Option<u64>,
    /// A name that always means the same content, for instance a commit and a path.
    pub(crate) cache_key: Option<String>,
}

impl Request {
    /// As it is shown: without credentials and query.
    fn shown(&self) -> String {
        format!("GET {}", shown(&self.url))
    }
}

/// Fetches the files of one run.
pub(crate) struct Client {
    http: reqwest::Client,
    addresses: AddressPolicy,
    retry: RetryPolicy,
    max_file_bytes: u64,
    budget: Budget,
    abort: FetchAbort,
    deadline: Option<Instant>,
    ongoing: OngoingTransfers,
}

impl Client {
    /// A client of one fetch. Its connections belong to the runtime that they were made on.
    pub(crate) fn new(settings: &Settings, abort: &FetchAbort) -> Result<Self, VolumeError> {
        let resolver = Resolver::new(settings.addresses.clone());
        Self::with_resolver(settings, abort, &resolver)
    }

    fn with_resolver(
        settings: &Settings,
        abort: &FetchAbort,
        resolver: &Resolver,
    ) -> Result<Self, VolumeError> {
        // Volumes may be fetched over plain HTTP where TLS cannot be set up.
        let http = guarded_client(true, resolver);
        let http = http.map_err(|error| VolumeError::platform(error.message))?;
        Ok(Self {
            http,
            addresses: settings.addresses.clone(),
            retry: settings.retry,
            max_file_bytes: settings.max_file_bytes,
            budget: Budget::new(settings.max_total_bytes),
            abort: abort.clone(),
            deadline: None,
            ongoing: OngoingTransfers::default(),
        })
    }

    /// The same client, which makes no attempt that would come too late, and lists what it fetches.
    pub(crate) fn controlled(self, control: &FetchControl) -> Self {
        Self { deadline: control.deadline, ongoing: control.ongoing.clone(), ..self }
    }

    /// Lists something that is done for a volume as going on.
    pub(crate) fn begin(&self, what: impl Into<String>, volume: &Progress) -> OngoingTransfer {
        self.ongoing.begin(volume.place(), what)
    }

    /// What may still be fetched.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Refuses a file that is too large.
    pub(crate) fn check_size(&self, bytes: u64) -> Result<(), VolumeError> {
        if bytes <= self.max_file_bytes {
            return Ok(());
        }
        let limit = HumanSize(self.max_file_bytes);
        Err(VolumeError::download_failed(format!("the file is larger than {limit}")))
    }

    /// Reads a small answer to its end, and its head: tried again like a file.
    pub(crate) async fn get_json(
        &self,
        request: &Request,
        volume: &Progress,
    ) -> Result<(Vec<u8>, HeaderMap), VolumeError> {
        let ongoing = self.begin(request.shown(), volume);
        let mut get = GetJson { client: self, request, volume, ongoing };
        Ok(self.retry.retry(&mut get).await?)
    }

    async fn get_once(&self, request: &Request) -> Result<(Vec<u8>, HeaderMap), TransferError> {
        let mut answer = self.ask(request, &HeaderMap::new()).await?;
        if let Some(encoding) = head::encoding(answer.headers()) {
            let encoding = Escaped(&encoding);
            let problem = format!("the answer is encoded (`{encoding}`), which was not asked for");
            return Err(answer.permanent(&problem));
        }
        let headers = answer.headers().clone();
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut answer).await? {
            if body.len() + chunk.len() > LARGEST_JSON {
                let largest = HumanSize(LARGEST_JSON as u64);
                return Err(answer.permanent(&format!("the answer is larger than {largest}")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, headers))
    }

    /// The next bytes of an answer; `None` at its end.
    async fn chunk(
        &self,
        answer: &mut exchange::Answer,
    ) -> Result<Option<bytes::Bytes>, TransferError> {
        match self.abort.unless(timeout(self.retry.stall, answer.response.chunk())).await? {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(answer.broken(error)),
            Err(_) => {
                let stall = HumanDuration(self.retry.stall);
                Err(answer.transient(&format!("no byte came for {stall}")))
            }
        }
    }
}

/// A small answer that is read into memory.
struct GetJson<'a> {
    client: &'a Client,
    request: &'a Request,
    volume: &'a Progress,
    ongoing: OngoingTransfer,
}

impl Transfer for GetJson<'_> {
    type Output = (Vec<u8>, HeaderMap);

    async fn attempt(&mut self) -> Result<(Vec<u8>, HeaderMap), TransferError> {
        self.client.get_once(self.request).await
    }

    fn retrying(&mut self, retry: Retry<'_>) {
        self.ongoing.retrying(retry);
        self.volume.retrying(retry);
    }

    fn deadline(&self) -> Option<Instant> {
        self.client.deadline
    }

    async fn stopped(&mut self) -> TransferError {
        self.client.abort.reached().await
    }
}

/// How many bytes may still be fetched and unpacked, over all volumes.
#[derive(Debug)]
pub(crate) struct Budget {
    left: AtomicU64,
    total: u64,
}

impl Budget {
    fn new(total: u64) -> Self {
        Self { left: AtomicU64::new(total), total }
    }

    /// How much is left.
    pub(crate) fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Uses some of it.
    pub(crate) fn take(&self, bytes: u64) -> Result<(), VolumeError> {
        let order = Ordering::Relaxed;
        let taken = self.left.fetch_update(order, order, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| {
            let total = HumanSize(self.total);
            VolumeError::download_failed(format!("all volumes together are larger than {total}"))
        })
    }

    /// Gives back what was thrown away.
    pub(crate) fn give_back(&self, bytes: u64) {
        self.left.fetch_add(bytes, Ordering::Relaxed);
    }
}
