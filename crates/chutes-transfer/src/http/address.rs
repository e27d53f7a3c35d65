//! The address policy for URLs.

#[cfg(test)]
mod tests;

use url::{Host, Url};

use crate::{AddressPolicy, RefusedAddress};

/// A URL that no request may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedUrl {
    /// Its scheme is not HTTP.
    #[error("only `https://` and `http://` can be asked")]
    Scheme,
    /// It has no host.
    #[error("it has no host")]
    NoHost,
    /// Its host is a refused address.
    #[error(transparent)]
    Address(#[from] RefusedAddress),
}

impl AddressPolicy {
    /// Checks a URL, as far as it says itself where it leads: a name is checked when it is resolved.
    ///
    /// # Errors
    ///
    /// When no request may go there.
    pub fn check_url(&self, url: &Url) -> Result<(), RefusedUrl> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(RefusedUrl::Scheme);
        }
        match url.host() {
            None => return Err(RefusedUrl::NoHost),
            Some(Host::Domain(_)) => {}
            Some(Host::Ipv4(address)) => self.check(address.into())?,
            Some(Host::Ipv6(address)) => self.check(address.into())?,
        }
        Ok(())
    }
}
