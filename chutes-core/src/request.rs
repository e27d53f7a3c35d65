//! Everything that the starter of an attempt hands over to its supervisor.

mod address_range;
mod attempt;
mod label;
#[cfg(test)]
mod tests;
mod trace_parent;

pub use self::address_range::{AddressRange, AddressRangeError};
pub use self::attempt::{Attempt, AttemptError};
pub use self::label::{LabelName, LabelNameError};
pub use self::trace_parent::{TraceParent, TraceParentError};
