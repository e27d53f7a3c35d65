//! Sinks that are addressed by a presigned URL, and what all sinks over HTTP share: the body that is read
//! from disk, and what is kept of an answer.

mod body;
pub(crate) mod files;
mod kept;
mod multipart;
pub(crate) mod one_file;
#[cfg(test)]
pub(crate) mod server;
mod target;
#[cfg(test)]
pub(super) mod tests;

use chutes_core::{Escaped, FileKind, FileState, OutputPath};
use chutes_transfer::TransferError;

pub(crate) use self::body::Outgoing;
pub(crate) use self::multipart::{Form, content_type};
pub(crate) use self::target::Target;
use super::{RunSummary, SourceFile};

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
