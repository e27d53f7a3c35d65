//! The ports of a run: how the supervisor holds, watches and reaches them.
//!
//! This is an internal component of chutes, without a promise of stability. It does not know what a job is,
//! nor what is served at a port.
//!
//! - [`Claims`]: the ports are free, and stay so until the job opens them.
//! - [`PortWatch`]: which ports the job has opened, and which it should have declared.
//! - [`Connector`]: connections to what the job serves, on this machine or inside of its container.
//! - [`Relay`]: connections from this machine are handed on into a container that has no network.
//! - [`get_status`]: one request to the job.
//!
//! ```
//! use chutes_core::{Port, Ports, Protocol};
//! use chutes_ports::Claims;
//!
//! let ports = Ports::new(vec![Port::new("web", 8080, Protocol::Http)?], false)?;
//! // Under any number that is free, and for this machine alone.
//! let claims = Claims::take(&ports, [127, 0, 0, 1].into(), &["web:0".parse()?])?;
//! let address = claims.job_ports()[0].address;
//! assert!(std::net::TcpListener::bind(address).is_err(), "it is held for the job");
//! drop(claims);
//! assert!(std::net::TcpListener::bind(address).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod claim;
mod connector;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod probe;
mod relay;
mod sockets;
mod starting;
#[cfg(test)]
mod testing;
mod watch;

pub use self::claim::{ClaimError, Claims, variables};
pub use self::connector::{Connector, ContainerConnector};
pub use self::probe::get_status;
pub use self::relay::Relay;
pub use self::starting::await_started;
pub use self::watch::{PortWatch, SocketOwner};
