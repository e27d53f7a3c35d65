//! Publishing: a port that a run opens under another number than the declared one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Escaped, Port, PortName};

/// A port that a run opens under another number: `8080:18080`, or `web:18080` by name. The number 0 is
/// any that is free, so that many runs can share one machine.
///
/// ```
/// use chutes::contract::{Port, Protocol};
/// use chutes::spec::Publish;
///
/// let web = Port::new("web", 8080, Protocol::Http)?;
/// let publish: Publish = "8080:0".parse()?;
/// assert!(publish.is_for(&web) && publish.to == 0);
/// assert_eq!("web:18080".parse::<Publish>()?.to_string(), "web:18080");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Publish {
    /// The declared port.
    pub port: PublishedPort,
    /// The number under which the run opens it; 0 is any that is free.
    pub to: u16,
}

/// A declared port, by its number or its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PublishedPort {
    /// Its number.
    Number(u16),
    /// Its name.
    Name(PortName),
}

impl Publish {
    /// Whether it publishes this port.
    #[must_use]
    pub fn is_for(&self, port: &Port) -> bool {
        match &self.port {
            PublishedPort::Number(number) => port.number().get() == *number,
            PublishedPort::Name(name) => port.name() == name,
        }
    }
}

impl fmt::Display for PublishedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.port, self.to)
    }
}

impl FromStr for Publish {
    type Err = PublishError;

    fn from_str(text: &str) -> Result<Self, PublishError> {
        let error = || PublishError { text: text.to_owned() };
        let (port, to) = text.split_once(':').ok_or_else(error)?;
        let number = |text: &str| {
            let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_plain.then(|| text.parse::<u16>().ok()).flatten()
        };
        let port = match number(port) {
            Some(number) if number > 0 => PublishedPort::Number(number),
            _ => PublishedPort::Name(PortName::new(port.to_owned()).map_err(|_| error())?),
        };
        Ok(Self { port, to: number(to).ok_or_else(error)? })
    }
}

impl TryFrom<String> for Publish {
    type Error = PublishError;

    fn try_from(text: String) -> Result<Self, PublishError> {
        text.parse()
    }
}

impl From<Publish> for String {
    fn from(publish: Publish) -> Self {
        publish.to_string()
    }
}

/// A text that is not a [`Publish`].
///
/// ```
/// let error = "8080".parse::<chutes::spec::Publish>().unwrap_err();
/// assert_eq!(error.to_string(), "`8080` is not of the form `PORT:NUMBER`, as in `8080:18080`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishError {
    /// The text.
    pub text: String,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Escaped(&self.text);
        write!(f, "`{text}` is not of the form `PORT:NUMBER`, as in `8080:18080`")
    }
}

impl std::error::Error for PublishError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let check = |text: &str, is_right: bool| {
            let parsed = text.parse::<Publish>();
            assert_eq!(parsed.is_ok(), is_right, "{text}");
            if let Ok(publish) = parsed {
                assert_eq!(publish.to_string(), text);
            }
        };
        for text in ["8080:0", "8080:18080", "80:65535", "web:1", "metrics1:9"] {
            check(text, true);
        }
        for text in
            ["", ":", "8080", "8080:", ":1", "0:1", "1:65536", "65536:1", "+1:2", "1:-2", "Web:1"]
        {
            check(text, false);
        }
    }
}
