//! Errors of a container engine, and the kind of failure that each one is.

use std::path::PathBuf;

use bollard::errors::Error;
use chutes_core::FailureKind;

/// The longest message of an engine that is passed on, in characters.
const MAX_MESSAGE_CHARS: usize = 1_000;

/// An error of a container engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine answers.
    #[error(
        "no container engine can be reached: start Docker or Podman, or set DOCKER_HOST (tried {tried})"
    )]
    Unreachable {
        /// The addresses that were tried, with the error at each.
        tried: String,
    },
    /// The image is not available.
    #[error("the image `{image}` cannot be had: {reason}")]
    NoImage {
        /// Its name.
        image: String,
        /// The reason, as the engine reports it.
        reason: String,
    },
    /// A request failed.
    #[error("the container engine at {address} could not {action}: {reason}")]
    Failed {
        /// The engine.
        address: String,
        /// The action that failed.
        action: &'static str,
        /// The message of the engine, or else of the innermost cause, on one line.
        reason: String,
        /// The status code with which the engine refused the request, if it did.
        status: Option<u16>,
    },
    /// A container is still there although it was removed.
    #[error("the container `{name}` was removed and is still there")]
    Stays {
        /// Its name.
        name: String,
    },
    /// A request was made before there was a connection.
    #[error("no container engine was connected to")]
    NotConnected,
    /// The directory of the run has a path that the API of an engine cannot express.
    #[error(
        "the run directory `{}` is not UTF-8, which a container engine cannot mount: choose another one",
        path.display()
    )]
    NotUtf8 {
        /// The directory.
        path: PathBuf,
    },
}

impl EngineError {
    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NoImage { .. } => FailureKind::ImageUnavailable,
            _ => FailureKind::Platform,
        }
    }

    /// The reason alone, without the action that it was for.
    #[must_use]
    pub fn reason(&self) -> String {
        match self {
            Self::NoImage { reason, .. } | Self::Failed { reason, .. } => reason.clone(),
            other => other.to_string(),
        }
    }

    /// Whether the engine does not know what the request was about, for instance because it was removed.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Failed { status: Some(404), .. })
    }

    /// Whether the request does not fit the state of what it was about, for instance because it has ended.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Failed { status: Some(409), .. })
    }
}

/// The status code with which an engine refused a request, if it did.
pub(super) fn status_code(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// The message of the engine, or else of the innermost cause, on one line.
pub(super) fn words(error: &Error) -> String {
    let text = match error {
        Error::DockerResponseServerError { message, .. } if !message.trim().is_empty() => {
            message.clone()
        }
        Error::DockerResponseServerError { status_code, .. } => format!("status {status_code}"),
        Error::DockerStreamError { error } => error.clone(),
        Error::RequestTimeoutError => "it did not answer in time".to_owned(),
        Error::SocketNotFoundError(_) => "there is no such socket".to_owned(),
        other => {
            let mut innermost: &dyn std::error::Error = other;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            innermost.to_string()
        }
    };
    one_line(&text)
}

/// A text on one line, without control characters, and cut off at [`MAX_MESSAGE_CHARS`] characters.
fn one_line(text: &str) -> String {
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    let text: String = text.chars().map(visible).take(MAX_MESSAGE_CHARS).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_engine() {
        let check = |error: &Error, expected: &str| assert_eq!(words(error), expected);
        let refused = |message: &str| Error::DockerResponseServerError {
            status_code: 500,
            message: message.to_owned(),
        };
        check(&refused("a\n\u{1b}[31m  b\n"), "a [31m b");
        check(&refused(" "), "status 500");
        check(&Error::DockerStreamError { error: "denied".to_owned() }, "denied");
        let broken = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
        check(&Error::IOError { err: broken }, "broken pipe");
        assert_eq!(words(&refused(&"x".repeat(5_000))).len(), MAX_MESSAGE_CHARS);
    }
}
