//! One file to one presigned URL, by PUT or by POST: what all sinks of this kind do for each file.

use bytes::Bytes;
use chutes_core::{Upload, UploadMethod};
use chutes_transfer::TransferError;
use chutes_transfer::http::{Exchange, Refusal, Secrets, drain, shown};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::{Form, Outgoing, content_type};
use crate::SourceFile;

/// Where one file goes, and how.
pub(crate) struct Target {
    url: Url,
    name: String,
    method: Method,
    headers: HeaderMap,
    secrets: Secrets,
}

enum Method {
    Put,
    /// The fields are sent in this order, and the file after them, as the field `file`: S3 ignores what
    /// comes after the file.
    Post(Vec<(String, String)>),
}

impl Target {
    /// The URL of an object. The headers are sent as they are, and no others, which the signature would not
    /// cover.
    pub(crate) fn put(url: Url, headers: Vec<(String, String)>) -> Result<Self, TransferError> {
        let (headers, secrets) = read_headers(headers)?;
        Ok(Self { name: shown(&url), url, method: Method::Put, headers, secrets })
    }

    /// A form, for instance with a POST policy of S3.
    pub(crate) fn post(
        url: Url,
        fields: Vec<(String, String)>,
        headers: Vec<(String, String)>,
    ) -> Result<Self, TransferError> {
        if fields.iter().any(|(name, _)| name == "file") {
            return Err(TransferError::permanent(
                "the form field `file` is the file itself: leave it out",
            ));
        }
        let (headers, mut secrets) = read_headers(headers)?;
        if headers.contains_key(CONTENT_TYPE) {
            return Err(TransferError::permanent(
                "the header `content-type` of a form cannot be given: the type of the file is a field",
            ));
        }
        for (_, value) in &fields {
            secrets.add(value);
        }
        Ok(Self { name: shown(&url), url, method: Method::Post(fields), headers, secrets })
    }

    /// The target that a spec names. The message of the parser shows nothing of the URL.
    pub(crate) fn new(to: &Upload) -> Result<Self, TransferError> {
        let url = Url::parse(to.url().reveal())
            .map_err(|error| TransferError::permanent(format!("it is not a URL: {error}")))?;
        let headers = to.headers().reveal().to_vec();
        match to.method() {
            UploadMethod::Put => Self::put(url, headers),
            UploadMethod::Post { fields } => Self::post(url, fields.reveal().to_vec(), headers),
        }
    }

    /// The URL as it is shown.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The URL.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the connection is not encrypted.
    pub(crate) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// Sends a file there. It has arrived when this returns an answer.
    pub(crate) async fn send(
        &self,
        client: &Client,
        file: &SourceFile,
    ) -> Result<Response, Refusal> {
        match &self.method {
            Method::Put => {
                let outgoing = Outgoing::open(file, Bytes::new(), Bytes::new()).await?;
                let exchange = Exchange::new("PUT", &self.url, &self.secrets);
                let request = client.put(self.url.clone()).headers(self.headers.clone());
                outgoing.send(request, &exchange).await
            }
            Method::Post(fields) => {
                let file_name = String::from_utf8_lossy(file.path.file_name());
                let form = Form::new(fields, &file_name, content_type(&file.path), &[]);
                let outgoing = Outgoing::open(file, form.before, form.after).await?;
                let exchange = Exchange::new("POST", &self.url, &self.secrets)
                    .accepting(confirming_redirect(fields));
                let request = client.post(self.url.clone()).headers(self.headers.clone());
                outgoing.send(request.header(CONTENT_TYPE, form.content_type), &exchange).await
            }
        }
    }

    /// As [`Self::send`], for callers that need nothing of the answer.
    pub(crate) async fn deliver(
        &self,
        client: &Client,
        file: &SourceFile,
    ) -> Result<(), TransferError> {
        let sent = self.send(client, file).await;
        drain(sent.map_err(|refusal| refusal.error)?).await;
        Ok(())
    }
}

/// S3 confirms the file by a redirect if the form asks for one, and otherwise never redirects.
fn confirming_redirect(fields: &[(String, String)]) -> Option<StatusCode> {
    let asks = |name: &str| ["success_action_redirect", "redirect"].contains(&name);
    fields.iter().any(|(name, _)| asks(name)).then_some(StatusCode::SEE_OTHER)
}

/// Headers that say how the body is sent: the HTTP client sets them.
const OWN_HEADERS: [&str; 4] = ["connection", "content-length", "expect", "transfer-encoding"];

/// Reads headers as they were given. Their values are secrets.
fn read_headers(headers: Vec<(String, String)>) -> Result<(HeaderMap, Secrets), TransferError> {
    let (mut map, mut secrets) = (HeaderMap::new(), Secrets::default());
    for (name, value) in headers {
        let Ok(key) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err(TransferError::permanent("a header has a name that HTTP does not allow"));
        };
        if OWN_HEADERS.contains(&key.as_str()) {
            return Err(TransferError::permanent(format!(
                "the header `{key}` cannot be given: leave it out"
            )));
        }
        let Ok(mut content) = HeaderValue::from_bytes(value.as_bytes()) else {
            return Err(TransferError::permanent(format!(
                "the header `{key}` has a value that HTTP does not allow"
            )));
        };
        content.set_sensitive(true);
        secrets.add(&value);
        map.append(key, content);
    }
    Ok((map, secrets))
}
