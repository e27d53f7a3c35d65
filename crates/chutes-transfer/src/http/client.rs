//! The HTTP client.

use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;

use super::{Resolver, causes};
use crate::error::TransferError;

/// How long it may take to connect.
pub const CONNECT_TIME: Duration = Duration::from_secs(30);

/// When a connection whose other end acknowledges nothing is given up. Whether an upload stalls is
/// decided by the caller; this only ends connections to machines that are gone.
const UNACKNOWLEDGED_TIME: Duration = Duration::from_mins(2);

/// A client. Its connections belong to the Tokio runtime that they were made on, so it must not be shared
/// between runs. It has no total time limit: how long a file takes cannot be known. Where the client only
/// speaks plain HTTP (`is_plain`), TLS certificates may be missing.
///
/// # Errors
///
/// When TLS cannot be set up.
pub fn client(is_plain: bool) -> Result<Client, TransferError> {
    build(is_plain, builder)
}

/// As [`client`], but names are resolved by this resolver, which refuses addresses.
///
/// # Errors
///
/// When TLS cannot be set up.
pub fn guarded_client(is_plain: bool, resolver: &Resolver) -> Result<Client, TransferError> {
    build(is_plain, || builder().dns_resolver(resolver.clone()))
}

fn build(is_plain: bool, builder: impl Fn() -> ClientBuilder) -> Result<Client, TransferError> {
    let client = builder().build().or_else(|error| {
        // An image without certificates has no TLS, and plain HTTP needs none.
        if is_plain { builder().tls_certs_only([]).build() } else { Err(error) }
    });
    client
        .map_err(|error| TransferError::permanent(format!("cannot set up HTTP: {}", causes(error))))
}

/// The settings of every client. Each file has a connection of its own, unlike the streams of HTTP/2:
/// uploads are faster so, and an error ends one file only.
///
/// Clients use the cryptography that the process has installed for `rustls`, and install that of `ring` where there is
/// none: a program that embeds the supervisor may have chosen another one.
pub fn builder() -> ClientBuilder {
    if CryptoProvider::get_default().is_none() {
        // An error says that another thread was faster.
        let _ = default_provider().install_default();
    }
    Client::builder()
        .user_agent(format!("chutes/{}", chutes_core::VERSION))
        .connect_timeout(CONNECT_TIME)
        .tcp_user_timeout(UNACKNOWLEDGED_TIME)
        .redirect(redirect::Policy::none())
        .http1_only()
}
