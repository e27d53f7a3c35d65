//! Resolves host names, and leaves out the addresses that no request may go to.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use chutes_core::Escaped;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address::AddressPolicy;

/// The addresses of a name, later.
pub type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks up the addresses of a name.
pub type Lookup = dyn Fn(String) -> Found + Send + Sync;

/// A host without a known address, or the name servers cannot be reached: the system does not
/// distinguish the two.
#[derive(Debug, thiserror::Error)]
#[error("the host `{name}` is not known: {why}")]
pub struct UnknownHost {
    name: String,
    why: String,
}

impl UnknownHost {
    fn new(name: &Name, why: impl fmt::Display) -> Self {
        Self { name: Escaped(name.as_str()).to_string(), why: why.to_string() }
    }
}

/// Resolves names for the HTTP client. The client connects to the addresses that were checked here: the
/// name is not resolved again in between, when it could lead elsewhere.
#[derive(Clone)]
pub struct Resolver {
    policy: AddressPolicy,
    lookup: Arc<Lookup>,
}

impl Resolver {
    /// A resolver that asks the system.
    #[must_use]
    pub fn new(policy: AddressPolicy) -> Self {
        Self::with(policy, Arc::new(|name| Box::pin(ask_system(name))))
    }

    /// A resolver that asks `lookup`.
    #[must_use]
    pub fn with(policy: AddressPolicy, lookup: Arc<Lookup>) -> Self {
        Self { policy, lookup }
    }
}

async fn ask_system(name: String) -> io::Result<Vec<SocketAddr>> {
    // The client replaces the port 0 by that of the URL.
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let Self { policy, lookup } = self.clone();
        Box::pin(async move {
            let mut usable = Vec::new();
            let mut refused = None;
            let found = lookup(name.as_str().to_owned()).await;
            for address in found.map_err(|error| UnknownHost::new(&name, error))? {
                match policy.check(address.ip()) {
                    Ok(()) => usable.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(error) if usable.is_empty() => Err(error.into()),
                None if usable.is_empty() => {
                    Err(UnknownHost::new(&name, "it has no addresses").into())
                }
                _ => Ok(Box::new(usable.into_iter()) as Addrs),
            }
        })
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("policy", &self.policy).finish_non_exhaustive()
    }
}
