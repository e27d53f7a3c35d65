//! The rules of chutes, and the types whose values obey them.
//!
//! This is an internal component of chutes, with no promise of stability: users depend on `chutes`, and
//! `chutes-core` re-exports everything that is here.
//!
//! Each rule stands in exactly one function of [`rule`]. The macros apply it at compile time; the runtime and
//! the service apply it to what is only known at run time. The only ways to make a value of one of the types
//! are functions that check, so a value that exists is valid.
//!
//! The crate does no I/O and has no dependencies, because it is compiled before every use of the attributes.
//! The feature `serde` adds the JSON form of the types and their JSON Schemas. What else a run consists of
//! (its spec, status and outcome) is in `chutes-core`.
//!
//! ```
//! use chutes::contract::{Port, Ports, Protocol, TimeLimit};
//! use chutes::text::parse_duration;
//!
//! let web = Port::new("web", 8080, Protocol::Http)?;
//! let ports = Ports::new(vec![web], true)?;
//! assert_eq!(ports.iter().map(|port| port.number().get()).collect::<Vec<_>>(), [8080, 2202]);
//! assert!(TimeLimit::from_seconds(parse_duration("25h")?).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod rule;
pub mod suggest;

mod duration;
mod escaped;
mod job_name;
#[cfg(feature = "serde")]
mod json;
mod port;
mod time_limit;

pub use self::duration::{DurationError, HumanDuration, parse_duration};
pub use self::escaped::Escaped;
pub use self::job_name::{JobName, JobNameError};
pub use self::port::{
    Port, PortConflict, PortError, PortName, PortNameError, PortNumber, PortNumberError, Ports,
    PortsError, Protocol, ReadinessPath, ReadinessPathError, UnknownProtocol,
};
pub use self::time_limit::{TimeLimit, TimeLimitError};
