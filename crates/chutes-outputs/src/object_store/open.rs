//! From an address and the environment to a store.

use std::collections::HashMap;
use std::sync::Arc;

use chutes_transfer::TransferError;
use chutes_transfer::http::{Secrets, shown};
use object_store::path::Path;
use object_store::{ObjectStoreScheme, RetryConfig};
use url::Url;

use super::parts::Store;
use super::transport::Connector;

/// How much of an error of the configuration is shown, in characters.
const SHOWN: usize = 300;

/// The variables of the environment.
type Variables = HashMap<String, String>;

/// Those of this process that are text.
pub(super) fn variables() -> Variables {
    let variables = std::env::vars_os();
    variables
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Opens the store of an address; nothing is sent to it yet. Returns the prefix in it, too.
pub(super) fn open(
    url: &Url,
    variables: &Variables,
) -> Result<(Arc<dyn Store>, Path), TransferError> {
    if url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(TransferError::permanent(format!(
            "`{}` is given with a password, a query or a fragment: credentials belong into the \
             environment",
            shown(url)
        )));
    }
    let Ok((scheme, prefix)) = ObjectStoreScheme::parse(url) else {
        return Err(unknown(url));
    };
    let store = match scheme {
        ObjectStoreScheme::AmazonS3 => amazon_s3(url, variables),
        ObjectStoreScheme::GoogleCloudStorage => google(url, variables),
        ObjectStoreScheme::MicrosoftAzure => azure(url, variables),
        _ => return Err(unknown(url)),
    };
    let store = store.map_err(|error| {
        let mut secrets = Secrets::default();
        for value in variables.values() {
            secrets.add(value);
        }
        let why = secrets.excerpt(&error.to_string(), SHOWN, false);
        TransferError::permanent(format!("`{}` cannot be used: {why}", shown(url)))
    })?;
    Ok((store, prefix))
}

fn unknown(url: &Url) -> TransferError {
    TransferError::permanent(format!(
        "`{}` is not the address of an object store: use `s3://bucket/prefix` or \
         `gs://bucket/prefix` or `az://container/prefix`",
        shown(url)
    ))
}

/// The delivery decides whether there is another attempt, and when.
fn no_retries() -> RetryConfig {
    RetryConfig { max_retries: 0, ..RetryConfig::default() }
}

/// Configures a builder by the environment, by variables that begin with `$start`.
macro_rules! configured {
    ($builder:expr, $variables:expr, $start:literal) => {
        $variables
            .iter()
            .filter(|(name, _)| name.starts_with($start))
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
            .fold($builder, |builder, (key, value)| builder.with_config(key, value))
    };
}

fn amazon_s3(url: &Url, variables: &Variables) -> object_store::Result<Arc<dyn Store>> {
    use object_store::aws::AmazonS3Builder;

    let endpoints = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let endpoint = endpoints.iter().find_map(|name| variables.get(*name));
    // TLS protects the content already; without it, the signature does.
    let is_encrypted = endpoint.is_none_or(|url| !url.starts_with("http://"));
    let builder = AmazonS3Builder::new().with_unsigned_payload(is_encrypted);
    let builder = configured!(builder, variables, "AWS_")
        .with_url(url.as_str())
        .with_retry(no_retries())
        .with_http_connector(Connector);
    Ok(Arc::new(builder.build()?))
}

fn google(url: &Url, variables: &Variables) -> object_store::Result<Arc<dyn Store>> {
    use object_store::gcp::GoogleCloudStorageBuilder;

    let mut builder = GoogleCloudStorageBuilder::new();
    if let Some(path) = variables.get("SERVICE_ACCOUNT") {
        builder = builder.with_service_account_path(path);
    }
    let builder = configured!(builder, variables, "GOOGLE_")
        .with_url(url.as_str())
        .with_retry(no_retries())
        .with_http_connector(Connector);
    Ok(Arc::new(builder.build()?))
}

fn azure(url: &Url, variables: &Variables) -> object_store::Result<Arc<dyn Store>> {
    use object_store::azure::MicrosoftAzureBuilder;

    let mut builder = MicrosoftAzureBuilder::new();
    if let Some(endpoint) = variables.get("IDENTITY_ENDPOINT") {
        builder = builder.with_msi_endpoint(endpoint);
    }
    let builder = configured!(builder, variables, "AZURE_")
        .with_url(url.as_str())
        .with_retry(no_retries())
        .with_http_connector(Connector);
    Ok(Arc::new(builder.build()?))
}
