//! Sinks over HTTP: output files to presigned URLs, the output files that a spec declares, and the
//! status URL of the Chutes platform. `absent` has the same functions for a build without them.

mod body;
mod files;
mod kept;
mod multipart;
pub(crate) mod reading;
mod status_url;
mod target;
#[cfg(test)]
pub(crate) mod tests;
mod urls;
mod written;

use std::sync::Arc;

use chutes_core::{HttpUrl, OutputPath, RelativePath, Upload};
use chutes_transfer::{AddressPolicy, TransferError};
use url::Url;

use self::body::Outgoing;
use self::files::FilesSink;
use self::multipart::{Form, content_type};
use self::status_url::StatusUrlSink;
use self::target::Target;
pub(crate) use self::urls::Urls;
use self::urls::{UrlFiles, UrlsSink};
use crate::Sink;

/// A sink for one file, at one URL.
pub(crate) fn one_file(file: OutputPath, to: &Upload) -> Result<Arc<dyn Sink>, TransferError> {
    Ok(Arc::new(UrlsSink::new(UrlFiles::new(file, Target::new(to)?))?))
}

/// A sink for the output files that a spec declares.
pub(crate) fn files(
    name: String,
    files: &[(RelativePath, Upload)],
    addresses: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    Ok(Arc::new(FilesSink::new(name, files, addresses)?))
}

/// A sink for the zip file with all other outputs.
pub(crate) fn system_output(
    name: String,
    file: OutputPath,
    to: &Upload,
    addresses: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    Ok(Arc::new(FilesSink::system_output(name, file, to, addresses)?))
}

/// A sink for the status URL of a job of the Chutes platform.
pub(crate) fn status_url(url: &HttpUrl) -> Result<Arc<dyn Sink>, TransferError> {
    // The message of the parser shows nothing of the URL.
    let url = Url::parse(url.reveal())
        .map_err(|error| TransferError::permanent(format!("it is not a URL: {error}")))?;
    Ok(Arc::new(StatusUrlSink::new(url)?))
}
