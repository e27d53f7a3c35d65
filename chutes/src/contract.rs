//! What a job declares: its name, ports and time limit, and the rules that they obey.
//!
//! [`Job::contract`](crate::registry::Job::contract) returns the [`JobContract`] of a job of this program, and
//! [`describe`](crate::supervisor::describe) that of a job of another binary. [`rule`] has the rules themselves, which
//! the compiler applies to [`#[job]`](macro@crate::job).
//!
//! ```
//! use chutes::contract::{Port, Ports, Protocol, rule};
//!
//! let web = Port::new("web", 8080, Protocol::Http)?;
//! let ports = Ports::new(vec![web], true)?;
//! assert_eq!(ports.iter().map(|port| port.number().get()).collect::<Vec<_>>(), [8080, 2202]);
//! assert!(!rule::is_port_name("web-ui"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use chutes_runtime::{
    JobContract, JobName, JobNameError, Port, PortConflict, PortError, PortName, PortNameError,
    PortNumber, PortNumberError, Ports, PortsError, Protocol, ReadinessPath, ReadinessPathError,
    SourceLocation, TimeLimit, TimeLimitError, UnknownProtocol, rule,
};
