//! Names to addresses, without those that must not be asked.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use chutes_core::Escaped;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::AddressPolicy;

/// Addresses, later.
type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// What asks for the addresses of a name.
pub(crate) type Lookup = dyn Fn(String) -> Found + Send + Sync;

/// A name that nobody knows an address of, or the servers of names cannot be reached: the system does
/// not tell these apart.
#[derive(Debug, thiserror::Error)]
#[error("the host `{name}` is not known: {why}")]
pub(crate) struct UnknownHost {
    name: String,
    why: String,
}

impl UnknownHost {
    fn new(name: &Name, why: impl fmt::Display) -> Self {
        Self { name: Escaped(name.as_str()).to_string(), why: why.to_string() }
    }
}

/// Resolves names for the HTTP client. As it gives out only what has been checked, a name cannot stand
/// for another address when it is asked again.
#[derive(Clone)]
pub(crate) struct Resolver {
    policy: AddressPolicy,
    lookup: Arc<Lookup>,
}

impl Resolver {
    /// Asks the system.
    pub(crate) fn new(policy: AddressPolicy) -> Self {
        Self::with(policy, Arc::new(|name| Box::pin(ask_system(name))))
    }

    /// Asks somebody else.
    pub(crate) fn with(policy: AddressPolicy, lookup: Arc<Lookup>) -> Self {
        Self { policy, lookup }
    }
}

async fn ask_system(name: String) -> io::Result<Vec<SocketAddr>> {
    // The client puts in the port of the URL for 0.
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
