//! From what went wrong to what the client is told.

use std::io;

use russh_sftp::protocol::{Status, StatusCode};
use russh_sftp::server::StatusReply;
use rustix::io::Errno;

/// A request that could not be done.
#[derive(Debug)]
pub(super) struct Refused(StatusReply);

impl Refused {
    /// Without words other than those of the protocol.
    pub(super) fn code(code: StatusCode) -> Self {
        Self(code.into())
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self(code(&error).with_message(words(&error)))
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        io::Error::from(errno).into()
    }
}

impl From<Refused> for StatusReply {
    fn from(refused: Refused) -> Self {
        refused.0
    }
}

/// Which of the few codes of the protocol it is.
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

/// The words of the system, without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The answer to a request that asks for nothing but that something is done.
pub(super) fn done(id: u32, result: io::Result<()>) -> Result<Status, Refused> {
    result?;
    Ok(Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Success".to_owned(),
        language_tag: String::new(),
    })
}
