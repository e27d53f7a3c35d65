//! Servers that files come from and go to, on the loopback interface, in the process of the test.

pub(crate) mod form;
pub(crate) mod http;
pub(crate) mod hub;
pub(crate) mod inputs;
mod listening;
pub(crate) mod platform;
pub(crate) mod refusing;
pub(crate) mod s3;
