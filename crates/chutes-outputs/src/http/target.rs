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
    /// The target of an upload. The headers are sent as they are, and no others, which the signature would not cover.
    /// The message of the parser shows nothing of the URL.
    pub(crate) fn new(to: &Upload) -> Result<Self, TransferError> {
        let url = Url::parse(to.url().reveal())
            .map_err(|error| TransferError::permanent(format!("it is not a URL: {error}")))?;
        let (headers, mut secrets) = read_headers(to.headers().reveal())?;
        let method = match to.method() {
            UploadMethod::Put => Method::Put,
            UploadMethod::Post { fields } => {
                for (_, value) in fields.reveal() {
                    secrets.add(value);
                }
                Method::Post(fields.reveal().to_vec())
            }
        };
        Ok(Self { name: shown(&url), url, method, headers, secrets })
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

/// Reads the headers of an upload, which were checked when it was made. Their values are secrets.
fn read_headers(headers: &[(String, String)]) -> Result<(HeaderMap, Secrets), TransferError> {
    let (mut map, mut secrets) = (HeaderMap::new(), Secrets::default());
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        let (Ok(name), Ok(mut content)) = (name, HeaderValue::from_bytes(value.as_bytes())) else {
            return Err(TransferError::permanent("HTTP does not allow one of its headers"));
        };
        content.set_sensitive(true);
        secrets.add(value);
        map.append(name, content);
    }
    Ok((map, secrets))
}
