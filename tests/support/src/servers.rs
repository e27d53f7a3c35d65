//! Servers that files come from and go to, on the loopback interface, in the process of the test.

pub mod download;
pub mod form;
pub mod http;
pub mod hub;
pub mod inputs;
mod listening;
mod message;
pub mod platform;
pub mod refusing;
#[cfg(feature = "s3")]
pub mod s3;
pub mod upload;
