//! Sinks that are addressed by a presigned URL, and what all sinks over HTTP share: the client, the
//! body that is read from disk, what an answer means, and what may be shown of it.

mod answer;
#[cfg(feature = "http")]
mod body;
mod client;
#[cfg(feature = "http")]
pub(crate) mod files;
#[cfg(feature = "http")]
mod multipart;
#[cfg(feature = "http")]
pub(crate) mod one_file;
mod secrets;
#[cfg(test)]
#[cfg(any(feature = "http", feature = "aws"))]
pub(crate) mod server;
#[cfg(feature = "http")]
mod target;
#[cfg(test)]
#[cfg(feature = "http")]
pub(super) mod tests;

#[cfg(feature = "http")]
use chutes_core::{Escaped, FileKind, FileState, OutputPath};

#[cfg(feature = "http")]
pub(crate) use self::answer::Refusal;
pub(crate) use self::answer::{Exchange, causes};
#[cfg(feature = "http")]
pub(crate) use self::body::Outgoing;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(crate) use self::client::CONNECT_TIME;
#[cfg(any(feature = "aws", feature = "gcp", feature = "azure"))]
pub(crate) use self::client::builder;
#[cfg(feature = "http")]
pub(crate) use self::client::{client, guarded_client};
#[cfg(feature = "http")]
pub(crate) use self::multipart::{Form, content_type};
pub(crate) use self::secrets::{Secrets, shown};
#[cfg(feature = "http")]
pub(crate) use self::target::Target;
use super::SinkError;
#[cfg(feature = "http")]
use super::{RunSummary, SourceFile};

/// An error that stays.
pub(crate) fn permanent(message: impl Into<String>) -> SinkError {
    SinkError { message: message.into(), may_pass: false, retry_after: None }
}

/// An error that may be gone later.
pub(crate) fn passing(message: impl Into<String>) -> SinkError {
    SinkError { message: message.into(), may_pass: true, retry_after: None }
}

/// Why a sink for one output file does not take this one, if it does not.
#[cfg(feature = "http")]
fn not_the_one(wanted: &OutputPath, file: &SourceFile) -> Option<String> {
    if file.kind == FileKind::Output && file.path == *wanted {
        return None;
    }
    Some(format!("this sink takes only `{}`", Escaped(&wanted.to_string())))
}

/// Whether the one output file that a sink is for was there to be sent.
#[cfg(feature = "http")]
fn was_written(wanted: &OutputPath, run: &RunSummary) -> Result<(), SinkError> {
    let name = wanted.to_string();
    let name = Escaped(&name);
    match run.manifest.files.iter().find(|file| file.path == *wanted).map(|file| &file.state) {
        Some(FileState::Collected { .. }) => Ok(()),
        Some(FileState::Failed { reason } | FileState::Skipped { reason }) => {
            Err(permanent(format!("`{name}` was not collected: {reason}")))
        }
        None => Err(permanent(format!("the job did not write `{name}`"))),
    }
}
