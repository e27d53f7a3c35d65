//! Sinks over HTTP: one output file to a presigned URL, the output files that a spec declares, and the
//! status URL of the Chutes platform. `absent` has the same functions for a build without them.

mod body;
mod files;
mod kept;
mod multipart;
mod one_file;
pub(crate) mod reading;
mod status_url;
mod target;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use chutes_core::{Escaped, FileKind, FileState, HttpUrl, OutputPath, RelativePath, Upload};
use chutes_transfer::{AddressPolicy, TransferError};
use url::Url;

use self::body::Outgoing;
use self::files::FilesSink;
use self::multipart::{Form, content_type};
use self::one_file::OneFileSink;
use self::status_url::StatusUrlSink;
use self::target::Target;
use crate::{RunSummary, Sink, SourceFile};

/// A sink for one file, at one URL.
pub(crate) fn one_file(file: OutputPath, to: &Upload) -> Result<Arc<dyn Sink>, TransferError> {
    Ok(Arc::new(OneFileSink::new(file, Target::new(to)?)?))
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

/// Why a sink for one output file does not take this one, if it does not.
fn not_the_one(wanted: &OutputPath, file: &SourceFile) -> Option<String> {
    if file.kind == FileKind::Output && file.path == *wanted {
        return None;
    }
    Some(format!("this sink takes only `{}`", Escaped(&wanted.to_string())))
}

/// Whether the one output file that a sink is for was there to be sent.
fn was_written(wanted: &OutputPath, run: &RunSummary) -> Result<(), TransferError> {
    let name = wanted.to_string();
    let name = Escaped(&name);
    match run.manifest.files.iter().find(|file| file.path == *wanted).map(|file| &file.state) {
        Some(FileState::Collected { .. }) => Ok(()),
        Some(FileState::Failed { reason } | FileState::Skipped { reason }) => {
            Err(TransferError::permanent(format!("`{name}` was not collected: {reason}")))
        }
        None => Err(TransferError::permanent(format!("the job did not write `{name}`"))),
    }
}
