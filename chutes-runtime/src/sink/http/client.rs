//! The HTTP client of a sink.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};

#[cfg(feature = "http")]
use super::{causes, permanent};
#[cfg(feature = "http")]
use crate::address::Resolver;
#[cfg(feature = "http")]
use crate::sink::SinkError;

const USER_AGENT: &str = concat!("chutes/", env!("CARGO_PKG_VERSION"));

/// How long it may take to connect.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(30);

/// When a connection whose other end acknowledges nothing is given up. Whether an upload gets on is
/// judged by who sent it; this only ends connections to machines that are gone.
const UNACKNOWLEDGED_TIME: Duration = Duration::from_mins(2);

/// A client for one sink. Its connections belong to the runtime that they were made on, so that it
/// must not be shared between runs. There is no total limit: nobody knows how long a file takes.
#[cfg(feature = "http")]
pub(crate) fn client(is_plain: bool) -> Result<Client, SinkError> {
    build(is_plain, builder)
}

/// As [`client`], but names of addresses that must not be asked are as good as unknown to it.
#[cfg(feature = "http")]
pub(crate) fn guarded_client(is_plain: bool, resolver: &Resolver) -> Result<Client, SinkError> {
    build(is_plain, || builder().dns_resolver(resolver.clone()))
}

#[cfg(feature = "http")]
fn build(is_plain: bool, builder: impl Fn() -> ClientBuilder) -> Result<Client, SinkError> {
    let client = builder().build().or_else(|error| {
        // Without any certificates in the image there is no TLS. What is not encrypted needs none.
        if is_plain { builder().tls_certs_only([]).build() } else { Err(error) }
    });
    client.map_err(|error| permanent(format!("cannot set up HTTP: {}", causes(error))))
}

/// One connection per file instead of many files on one, as HTTP/2 has it: uploads are faster so, and
/// an error ends one file only.
pub(crate) fn builder() -> ClientBuilder {
    Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIME)
        .tcp_user_timeout(UNACKNOWLEDGED_TIME)
        .redirect(redirect::Policy::none())
        .http1_only()
}
