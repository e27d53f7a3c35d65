//! Answers to requests: statuses, and errors as statuses.

use std::io;

use russh_sftp::protocol::{Status, StatusCode};
use russh_sftp::server::StatusReply;
use rustix::io::Errno;

/// A request that failed.
#[derive(Debug)]
pub(super) struct RequestError(StatusReply);

impl RequestError {
    /// An error with the default message of the protocol.
    pub(super) fn code(code: StatusCode) -> Self {
        Self(code.into())
    }
}

impl From<io::Error> for RequestError {
    fn from(error: io::Error) -> Self {
        Self(code(&error).with_message(words(&error)))
    }
}

impl From<Errno> for RequestError {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl From<RequestError> for StatusReply {
    fn from(refused: RequestError) -> Self {
        refused.0
    }
}

/// The status code of the protocol for an error.
fn code(error: &io::Error) -> StatusCode {
    match Errno::from_io_error(error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::BADF | Errno::LOOP) => StatusCode::NoSuchFile,
        Some(Errno::PERM | Errno::ACCESS | Errno::ROFS | Errno::FAULT) => {
            StatusCode::PermissionDenied
        }
        Some(Errno::NAMETOOLONG | Errno::INVAL) => StatusCode::BadMessage,
        Some(Errno::NOSYS | Errno::OPNOTSUPP) => StatusCode::OpUnsupported,
        Some(_) => StatusCode::Failure,
        None => match error.kind() {
            io::ErrorKind::UnexpectedEof => StatusCode::Eof,
            io::ErrorKind::NotFound => StatusCode::NoSuchFile,
            io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
            io::ErrorKind::InvalidInput => StatusCode::BadMessage,
            io::ErrorKind::Unsupported => StatusCode::OpUnsupported,
            _ => StatusCode::Failure,
        },
    }
}

/// The message of the system, without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The answer to a request that returns no data.
pub(super) fn status_reply(id: u32, result: io::Result<()>) -> Result<Status, RequestError> {
    result?;
    Ok(Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Success".to_owned(),
        language_tag: String::new(),
    })
}
