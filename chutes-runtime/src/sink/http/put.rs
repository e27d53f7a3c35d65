//! One output file to a presigned URL, by PUT.

use bytes::Bytes;
use chutes_core::OutputPath;
use reqwest::Client;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{Exchange, Outgoing, Secrets, client, not_the_one, permanent, shown, was_written};
use crate::sink::{RunSummary, Sending, Sink, SinkError, SourceFile};

/// Sends one output file to the address of an object.
pub(crate) struct PutSink {
    file: OutputPath,
    url: Url,
    name: String,
    headers: HeaderMap,
    secrets: Secrets,
    client: Client,
}

impl PutSink {
    /// A sink for this output file. The headers are sent as they are, and no others that a signature
    /// could miss.
    pub(crate) fn new(
        file: OutputPath,
        url: Url,
        headers: Vec<(String, String)>,
    ) -> Result<Self, SinkError> {
        let (headers, secrets) = read_headers(headers)?;
        let client = client(url.scheme() == "http")?;
        Ok(Self { file, name: shown(&url), url, headers, secrets, client })
    }

    async fn put(&self, file: &SourceFile) -> Result<(), SinkError> {
        let outgoing = Outgoing::open(file, Bytes::new(), Bytes::new()).await?;
        let exchange = Exchange::new("PUT", &self.url, &self.secrets);
        let request = self.client.put(self.url.clone()).headers(self.headers.clone());
        outgoing.deliver(request, &exchange).await
    }
}

impl Sink for PutSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn skips(&self, file: &SourceFile) -> Option<String> {
        not_the_one(&self.file, file)
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(self.put(file))
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(async { was_written(&self.file, run) })
    }
}

/// Headers that say how the body is sent. A second opinion would only break the request.
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "expect", "transfer-encoding"];

/// Reads headers as they were given. Their values are secrets.
pub(super) fn read_headers(
    headers: Vec<(String, String)>,
) -> Result<(HeaderMap, Secrets), SinkError> {
    let (mut map, mut secrets) = (HeaderMap::new(), Secrets::default());
    for (name, value) in headers {
        let Ok(key) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(permanent("a header has a name that HTTP does not allow"));
        };
        if OWN_HEADERS.contains(&key.as_str()) {
            return Err(permanent(format!("the header `{key}` cannot be given: leave it out")));
        }
        let Ok(mut content) = HeaderValue::from_bytes(value.as_bytes()) else {
            return Err(permanent(format!(
                "the header `{key}` has a value that HTTP does not allow"
            )));
        };
        content.set_sensitive(true);
        secrets.add(&value);
        map.append(key, content);
    }
    Ok((map, secrets))
}
