//! The status URL of the Chutes platform: how the run ended, then the files, then that it is done.
//!
//! Three kinds of requests, as the platform's own SDK makes them: POST of the outcome with the names of
//! the files, which is answered with an address for each; PUT of each file as a form; PUT of
//! `{"status":"done"}`. Tokens in the URLs authorise these requests, and are never shown.

mod names;
mod outcome;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chutes_core::FileKind;
use chutes_transfer::TransferError;
use chutes_transfer::http::{Exchange, Refusal, Secrets, client, shown};
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode};
use url::Url;

use self::names::Names;
use self::outcome::OutcomeMessage;
use super::{Form, Outgoing, content_type};
use crate::{RunSummary, Sending, Sink, SourceFile};

const FINISHED: &str = "the platform counts the job as finished and takes no more files";

/// Delivers to a status URL.
pub(crate) struct StatusUrlSink {
    url: Url,
    name: String,
    client: Client,
    platform: Mutex<Platform>,
}

/// What the platform has answered so far.
enum Platform {
    /// Nothing: the outcome has not reached it yet.
    Silent,
    /// Where the files go.
    Open(Arc<Addresses>),
    /// That it counts the job as finished.
    Finished,
}

struct Addresses {
    names: Names,
    urls: HashMap<String, Url>,
}

#[derive(serde::Deserialize)]
struct Answer {
    /// Left out or null when there are no files.
    #[serde(default)]
    output_storage_urls: Option<HashMap<String, String>>,
}

impl StatusUrlSink {
    /// A sink for the status URL of one job.
    pub(crate) fn new(url: Url) -> Result<Self, TransferError> {
        let client = client(url.scheme() == "http")?;
        Ok(Self { name: shown(&url), url, client, platform: Mutex::new(Platform::Silent) })
    }

    fn exchange(&self, method: &str) -> Exchange {
        Exchange::new(method, &self.url, &Secrets::default())
    }

    fn set(&self, platform: Platform) {
        *self.platform.lock().unwrap_or_else(PoisonError::into_inner) = platform;
    }

    async fn send_outcome(&self, run: &RunSummary) -> Result<(), TransferError> {
        let names = Names::of(&run.manifest);
        let message = OutcomeMessage::new(run, names.all(), &Secrets::of(&self.url));
        let exchange = self.exchange("POST");
        let request = self.client.post(self.url.clone());
        match exchange.judge(as_json(request, message.to_json()?).send().await).await {
            Ok(response) => {
                let urls = self.addresses(&exchange.read(response).await?)?;
                self.set(Platform::Open(Addresses { names, urls }.into()));
                Ok(())
            }
            // Only a run that is recovered gets here: its supervisor ended after it had sent everything.
            Err(refusal) if is_finished(&refusal) => {
                self.set(Platform::Finished);
                Ok(())
            }
            Err(refusal) => Err(refusal.error),
        }
    }

    fn addresses(&self, body: &[u8]) -> Result<HashMap<String, Url>, TransferError> {
        let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
            // The platform never answers so, but a proxy on the way may.
            return Err(TransferError::transient(
                "the answer to the outcome is not the JSON of a job",
            ));
        };
        let urls = answer.output_storage_urls.unwrap_or_default().into_iter();
        Ok(urls.filter_map(|(name, url)| Some((name, self.storage_url(&url)?))).collect())
    }

    fn storage_url(&self, url: &str) -> Option<Url> {
        self.url.join(url).ok().filter(|url| ["http", "https"].contains(&url.scheme()))
    }

    async fn upload(&self, file: &SourceFile) -> Result<(), TransferError> {
        let addresses = match &*self.platform.lock().unwrap_or_else(PoisonError::into_inner) {
            Platform::Open(addresses) => addresses.clone(),
            Platform::Finished => return Err(TransferError::permanent(FINISHED)),
            Platform::Silent => return Err(without_outcome()),
        };
        let name = addresses.names.get(file.kind, &file.path);
        let Some((name, url)) = name.and_then(|name| Some((name, addresses.urls.get(name)?)))
        else {
            return Err(TransferError::permanent("the platform gave no address for it"));
        };
        let base = name.rsplit('/').next().unwrap_or_default();
        let form = Form::new(&[], base, content_type(&file.path), &[("path", name)]);
        let outgoing = Outgoing::open(file, form.before, form.after).await?;
        let exchange = Exchange::new("PUT", url, &Secrets::of(&self.url));
        let request = self.client.put(url.clone()).header(CONTENT_TYPE, form.content_type);
        outgoing.deliver(request, &exchange).await
    }

    async fn send_done(&self) -> Result<(), TransferError> {
        match &*self.platform.lock().unwrap_or_else(PoisonError::into_inner) {
            Platform::Open(_) => {}
            Platform::Finished => return Ok(()),
            Platform::Silent => return Err(without_outcome()),
        }
        let exchange = self.exchange("PUT");
        let request = as_json(self.client.put(self.url.clone()), r#"{"status":"done"}"#.into());
        match exchange.judge(request.send().await).await {
            Err(refusal) if !is_finished(&refusal) => Err(refusal.error),
            // Also when an earlier attempt had reached the platform and only its answer was lost.
            _ => Ok(()),
        }
    }
}

fn without_outcome() -> TransferError {
    TransferError::permanent("the platform does not know how the run ended")
}

/// Whether the platform refuses because an earlier request has reported the end. Some of its versions
/// spell it `alread`.
fn is_finished(refusal: &Refusal) -> bool {
    let body = refusal.body.to_ascii_lowercase();
    refusal.status == StatusCode::BAD_REQUEST
        && ["already finished", "alread finished"].iter().any(|text| body.contains(text))
}

fn as_json(request: reqwest::RequestBuilder, json: String) -> reqwest::RequestBuilder {
    request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(json)
}

impl Sink for StatusUrlSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn skips(&self, file: &SourceFile) -> Option<String> {
        let is_artifact = file.kind == FileKind::Artifact;
        is_artifact.then(|| "the platform has no place for artifacts".to_owned())
    }

    fn begin<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(self.send_outcome(run))
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(self.upload(file))
    }

    fn finish<'a>(&'a self, _: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(self.send_done())
    }
}
