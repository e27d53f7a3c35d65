//! Why a run cannot have its ports.

use std::net::SocketAddr;

use chutes_core::{FailureKind, Port, PortName, Ports, Publish, PublishedPort, suggest};
use rustix::io::Errno;

use crate::sockets::{Transport, program_at};

/// Why a run cannot have its ports.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// A number was chosen for a port that the job does not have.
    #[error("`{publish}` publishes no port of the job, which declares {declared}{hint}")]
    Undeclared {
        /// The option that was given.
        publish: Publish,
        /// The declared ports, as text.
        declared: String,
        /// A suggestion of the intended port; may be empty.
        hint: String,
    },
    /// Two numbers were chosen for one port.
    #[error("port `{name}` is published twice: leave one of them out")]
    PublishedTwice {
        /// The port.
        name: PortName,
    },
    /// Two ports would have the same number.
    #[error(
        "ports `{first}` and `{second}` would both have the number {number}: choose another one, for \
         instance any that is free (`--publish {second}:0`)"
    )]
    SameNumber {
        /// The port that is declared first.
        first: PortName,
        /// The other port.
        second: PortName,
        /// The number.
        number: u16,
    },
    /// The port cannot be opened.
    #[error("port `{name}` cannot be opened at {address}: {reason}; {advice}")]
    Unavailable {
        /// The port.
        name: PortName,
        /// The address at which it would be opened.
        address: SocketAddr,
        /// Why not.
        reason: String,
        /// What to do.
        advice: String,
    },
    /// A container that has no network can be reached by TCP only.
    #[error(
        "port `{name}` is of UDP, and a container without a network can only be reached by TCP: let the \
         container have a network"
    )]
    UdpWithoutNetwork {
        /// The port.
        name: PortName,
    },
}

impl ClaimError {
    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Unavailable { .. } => FailureKind::PortUnavailable,
            Self::Undeclared { .. }
            | Self::PublishedTwice { .. }
            | Self::SameNumber { .. }
            | Self::UdpWithoutNetwork { .. } => FailureKind::InvalidSpec,
        }
    }

    pub(super) fn undeclared(publish: &Publish, declared: &Ports) -> Self {
        let names = declared.iter().map(|port| format!("`{}` ({})", port.name(), port.number()));
        let names: Vec<String> = names.collect();
        let hint = match &publish.port {
            PublishedPort::Name(name) => {
                suggest::nearest(name.as_str(), declared.iter().map(|port| port.name().as_str()))
            }
            PublishedPort::Number(_) => None,
        };
        Self::Undeclared {
            publish: publish.clone(),
            declared: if names.is_empty() { "none".to_owned() } else { names.join(", ") },
            hint: hint.map(|name| format!(": did you mean `{name}`?")).unwrap_or_default(),
        }
    }

    pub(super) fn unavailable(port: &Port, address: SocketAddr, errno: Errno) -> Self {
        let any_free = any_free(port);
        let (reason, advice) = match errno {
            Errno::ADDRINUSE if address.port() == 0 => {
                ("no number is free".to_owned(), "end something that has ports open".to_owned())
            }
            Errno::ADDRINUSE => {
                let program = program_at(address, Transport::of(port.protocol()));
                let program = program.unwrap_or_else(|| "another program".to_owned());
                (format!("{program} has it open"), format!("end that, or {any_free}"))
            }
            Errno::ACCESS | Errno::PERM => {
                let reason = "this process may not open it, as is usual for numbers below 1024";
                (reason.to_owned(), any_free)
            }
            Errno::ADDRNOTAVAIL => {
                ("this machine has no such address".to_owned(), another_address())
            }
            Errno::AFNOSUPPORT => {
                ("this machine has no addresses of that kind".to_owned(), another_address())
            }
            other => (std::io::Error::from(other).to_string(), any_free),
        };
        Self::Unavailable { name: port.name().clone(), address, reason, advice }
    }

    /// The error for a number of another run, whose job may open it at any time.
    pub(super) fn reserved(port: &Port, address: SocketAddr) -> Self {
        let reason = "another run on this machine has it".to_owned();
        let advice = format!("wait for its end, or {}", any_free(port));
        Self::Unavailable { name: port.name().clone(), address, reason, advice }
    }
}

fn any_free(port: &Port) -> String {
    format!("let the run have any number that is free (`--publish {}:0`)", port.name())
}

fn another_address() -> String {
    "choose an address of this machine, for instance 127.0.0.1".to_owned()
}

#[cfg(test)]
mod tests {
    use chutes_core::Protocol;

    use super::*;

    #[test]
    fn messages_for_errors_of_the_kernel() {
        let check = |errno, address: &str, expected: &str| {
            let port = Port::for_image("web", 80, Protocol::Tcp).unwrap();
            let address = address.parse().unwrap();
            let error = ClaimError::unavailable(&port, address, errno);
            let begin = format!("port `web` cannot be opened at {address}: ");
            assert_eq!(error.to_string(), format!("{begin}{expected}"));
            assert_eq!(error.kind(), FailureKind::PortUnavailable);
        };
        let any_free = "let the run have any number that is free (`--publish web:0`)";
        check(
            Errno::ACCESS,
            "0.0.0.0:80",
            &format!(
                "this process may not open it, as is usual for numbers below 1024; {any_free}"
            ),
        );
        // The other program has closed it meanwhile.
        check(
            Errno::ADDRINUSE,
            "192.0.2.1:1",
            &format!("another program has it open; end that, or {any_free}"),
        );
        check(
            Errno::ADDRINUSE,
            "127.0.0.1:0",
            "no number is free; end something that has ports open",
        );
        let address = "choose an address of this machine, for instance 127.0.0.1";
        check(
            Errno::ADDRNOTAVAIL,
            "192.0.2.1:80",
            &format!("this machine has no such address; {address}"),
        );
        check(
            Errno::AFNOSUPPORT,
            "[::1]:80",
            &format!("this machine has no addresses of that kind; {address}"),
        );
        let reason = "Cannot allocate memory (os error 12)";
        check(Errno::NOMEM, "127.0.0.1:80", &format!("{reason}; {any_free}"));
    }
}
