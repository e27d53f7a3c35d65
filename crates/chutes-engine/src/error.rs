//! What goes wrong with a container engine, and whose fault it is.

use bollard::errors::Error;
use chutes_core::FailureKind;

/// The longest text of an engine that is passed on, in characters.
const LONGEST_WORDS: usize = 1_000;

/// What went wrong with an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No engine answers.
    #[error(
        "no container engine can be reached: start Docker or Podman, or set DOCKER_HOST (tried {tried})"
    )]
    Unreachable {
        /// Where, and what happened there.
        tried: String,
    },
    /// The image cannot be had.
    #[error("the image `{image}` cannot be had: {reason}")]
    NoImage {
        /// Its name.
        image: String,
        /// Why, in the words of the engine.
        reason: String,
    },
    /// A request failed.
    #[error("the container engine at {address} could not {action}: {}", words(source))]
    Failed {
        /// The engine.
        address: String,
        /// What it was asked to do.
        action: &'static str,
        /// What it said. Not a source of this error: it is part of the message.
        #[source]
        source: Box<Error>,
    },
    /// A container is still there.
    #[error("the container `{name}` was removed and is still there")]
    Stays {
        /// Its name.
        name: String,
    },
    /// What was asked for cannot be said to an engine.
    #[error("{0}")]
    Unsayable(String),
}

impl EngineError {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NoImage { .. } => FailureKind::ImageUnavailable,
            _ => FailureKind::Platform,
        }
    }
}

/// The status code with which an engine refused a request.
#[must_use]
pub fn status_code(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What happened, in the words of whoever knows it best: the engine, or else the innermost cause. One line.
#[must_use]
pub fn words(error: &Error) -> String {
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

/// A text on one line, without anything that a terminal would take for a command, and not for ever.
fn one_line(text: &str) -> String {
    let visible = |character: char| if character.is_control() { ' ' } else { character };
    let text: String = text.chars().map(visible).take(LONGEST_WORDS).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_words_of_the_engine() {
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
        assert_eq!(words(&refused(&"x".repeat(5_000))).len(), LONGEST_WORDS);
    }
}
