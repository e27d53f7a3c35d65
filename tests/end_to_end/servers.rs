//! Servers that files are delivered to, on the loopback interface, in the process of the test.

pub(crate) mod http;
pub(crate) mod platform;
pub(crate) mod refusing;
pub(crate) mod s3;
