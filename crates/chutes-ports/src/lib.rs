//! The ports of a run: holds them for the job, watches the sockets of the job, and connects to them.
//!
//! This is an internal component of chutes, without a promise of stability. It does not know what a job is,
//! nor which protocol above TCP or UDP is spoken at a port.
//!
//! - [`Claims`]: makes sure that the ports are free, and holds them until the job opens them.
//! - [`PortWatch`]: reports which ports the job has opened, which of them it has not declared, and which of those that it
//!   has declared it has never opened.
//! - [`Connector`]: connects to ports of the job, on this machine or inside of its container.
//! - [`Relay`]: relays connections from this machine into a container that has no network.
//! - [`get_status`]: sends one HTTP request to the job.
//!
//! ```
//! use chutes_core::{Port, Ports, Protocol};
//! use chutes_ports::Claims;
//!
//! let ports = Ports::new(vec![Port::new("web", 8080, Protocol::Http)?], false)?;
//! // At any free number of the loopback interface.
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
pub use self::watch::{PortWatch, SocketOwner, WatchStage};
