//! The HTTP transport of `object_store`: it has no total time limit, counts every byte of a file that goes
//! out, and records the answers that say why something failed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chutes_transfer::TransferError;
use chutes_transfer::http::{CONNECT_TIME, Exchange, Secrets, builder, causes};
use http_body_util::BodyExt;
use jiff::SignedDuration;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest,
    HttpRequestBody, HttpResponse, HttpResponseBody, HttpService,
};
use reqwest::header::{CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Body, Client, ClientBuilder, Method, StatusCode};
use url::Url;

use super::attempt::{Attempt, StoreError};

/// The metadata service, where machines of all large clouds get their credentials.
const METADATA_HOST: &str = "169.254.169.254";

/// What is in the names of headers that must not be shown.
const SECRET_HEADERS: [&str; 4] = ["authorization", "key", "secret", "token"];

/// Makes the client of a store.
#[derive(Debug)]
pub(super) struct Connector;

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let is_plain = is_set(options, ClientConfigKey::AllowHttp);
        let client = configured(options).build().or_else(|error| {
            // What is not encrypted needs no certificates.
            if is_plain { configured(options).tls_certs_only([]).build() } else { Err(error) }
        });
        let client = client.map_err(|error| object_store::Error::Generic {
            store: "HTTP",
            source: format!("cannot set up HTTP: {}", causes(error)).into(),
        })?;
        Ok(HttpClient::new(Service { client, is_plain }))
    }
}

fn configured(options: &ClientOptions) -> ClientBuilder {
    let connect_time = options.get_config_value(&ClientConfigKey::ConnectTimeout);
    let connect_time = connect_time.and_then(|text| text.parse::<SignedDuration>().ok());
    let connect_time = connect_time.and_then(|time| Duration::try_from(time).ok());
    let invalid = is_set(options, ClientConfigKey::AllowInvalidCertificates);
    builder()
        .connect_timeout(connect_time.unwrap_or(CONNECT_TIME))
        .https_only(!is_set(options, ClientConfigKey::AllowHttp))
        .tls_danger_accept_invalid_certs(invalid)
}

fn is_set(options: &ClientOptions, key: ClientConfigKey) -> bool {
    let value = options.get_config_value(&key).unwrap_or_default().to_ascii_lowercase();
    ["1", "true", "on", "yes", "y"].contains(&value.as_str())
}

#[derive(Debug)]
struct Service {
    client: Client,
    /// Whether plain HTTP is allowed.
    is_plain: bool,
}

impl HttpService for Service {
    // What `#[async_trait]` would write.
    fn call<'service, 'call>(
        &'service self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'call>>
    where
        'service: 'call,
        Self: 'call,
    {
        Box::pin(async move {
            let attempt = Attempt::current();
            self.exchange(request, attempt.clone()).await.map_err(|error| {
                let message = error.message.clone();
                if let Some(attempt) = attempt {
                    attempt.refused(StoreError::Other(error));
                }
                HttpError::new(HttpErrorKind::Unknown, io::Error::other(message))
            })
        })
    }
}

impl Service {
    async fn exchange(
        &self,
        request: HttpRequest,
        attempt: Option<Arc<Attempt>>,
    ) -> Result<HttpResponse, TransferError> {
        let (parts, body) = request.into_parts();
        let Ok(url) = Url::parse(&parts.uri.to_string()) else {
            return Err(TransferError::permanent("the address of the object store is not a URL"));
        };
        if url.scheme() != "https" && !self.is_plain {
            return Err(TransferError::permanent(format!(
                "`{}` is not encrypted, which must be allowed, for S3 by `AWS_ALLOW_HTTP=true`",
                url.origin().ascii_serialization()
            )));
        }
        let exchange = Exchange::new(parts.method.as_str(), &url, &secrets(&parts.headers));
        let is_metadata = url.host_str() == Some(METADATA_HOST);
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        set_body(&mut request, body, attempt.clone());

        let sent = self.client.execute(request).await;
        let response = sent.map_err(|error| explained(exchange.broken(error), is_metadata))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = exchange.read(response).await?;
        if let Some(attempt) = attempt.filter(|_| !status.is_success()) {
            let body = String::from_utf8_lossy(&body);
            let error = exchange.refusal(status, &headers, &body, false);
            let error = explained(error, is_metadata);
            attempt.refused(if status == StatusCode::NOT_FOUND {
                StoreError::NotFound(error)
            } else {
                StoreError::Other(error)
            });
        }
        let mut answer = HttpResponse::new(HttpResponseBody::from(body));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        Ok(answer)
    }
}

fn secrets(headers: &HeaderMap) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in headers {
        let is_secret = SECRET_HEADERS.iter().any(|part| name.as_str().contains(part));
        if let (true, Ok(value)) = (is_secret, value.to_str()) {
            // The parts of a signature: no server repeats all of it.
            value.split([' ', ',', '=', '/']).filter(|part| part.len() >= 16).for_each(|part| {
                secrets.add(part);
            });
        }
    }
    secrets
}

/// Gives the request its body, which counts itself when it is the content of a file.
fn set_body(request: &mut reqwest::Request, body: HttpRequestBody, attempt: Option<Arc<Attempt>>) {
    let length = body.content_length();
    if length == 0 {
        return;
    }
    // Without a length it would be sent in chunks, which S3 refuses.
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    let attempt = attempt.filter(|_| *request.method() == Method::PUT);
    *request.body_mut() = Some(Body::wrap(body.map_frame(move |frame| {
        if let (Some(attempt), Some(data)) = (&attempt, frame.data_ref()) {
            attempt.count(data.len());
        }
        frame
    })));
}

/// Without credentials in the environment, the metadata service is asked, which the user never named.
fn explained(error: TransferError, is_metadata: bool) -> TransferError {
    if !is_metadata {
        return error;
    }
    let message = format!("there are no credentials in the environment, and {}", error.message);
    TransferError { message, ..error }
}
