//! Which addresses a spec may name: not those of the machine's own cloud, for inputs and for outputs.
//!
//! A spec comes from somebody else. A URL in it must not make this machine hand out the credentials
//! that its cloud gives it by an address of the local link. So an address is looked at when it is in a
//! URL, when a name is resolved to it, and again after each redirect. A proxy that the environment
//! names resolves names by itself, so behind one only addresses in URLs are looked at.

mod range;
#[cfg(feature = "http")]
mod resolver;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

pub(crate) use self::range::AddressRange;
#[cfg(feature = "http")]
pub(crate) use self::resolver::Resolver;
#[cfg(feature = "volumes")]
pub(crate) use self::resolver::UnknownHost;

/// Where clouds tell their machines who they are: AWS and most others, AWS again, Google, Alibaba,
/// Oracle.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// What may be asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct AddressPolicy {
    allowed: Vec<AddressRange>,
}

/// An address that must not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address {address} is refused, because it is {kind}: if it is yours, allow it with \
     `--allow-address`"
)]
pub(crate) struct RefusedAddress {
    address: IpAddr,
    kind: &'static str,
}

/// A URL that must not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RefusedUrl {
    /// Not HTTP.
    #[error("only `https://` and `http://` can be asked")]
    Scheme,
    /// Nobody to ask.
    #[error("it has no host")]
    NoHost,
    /// A refused address.
    #[error(transparent)]
    Address(#[from] RefusedAddress),
}

impl AddressPolicy {
    /// Refuses what is refused by default, but not these.
    #[cfg_attr(
        not(any(test, feature = "command-line")),
        expect(dead_code, reason = "only the command line has settings")
    )]
    pub(crate) fn new(allowed: Vec<AddressRange>) -> Self {
        Self { allowed }
    }

    /// Whether an address may be asked.
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        let inner = embedded(address).map(IpAddr::V4);
        let kind = refused_kind(address).or_else(|| refused_kind(inner?));
        let Some(kind) = kind else { return Ok(()) };
        let is_allowed = |address: IpAddr| self.allowed.iter().any(|range| range.contains(address));
        if is_allowed(address) || inner.is_some_and(is_allowed) {
            return Ok(());
        }
        Err(RefusedAddress { address, kind })
    }

    /// Whether a URL may be asked, as far as it says so itself: names are checked when they are
    /// resolved.
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), RefusedUrl> {
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

fn refused_kind(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("a metadata service of a cloud");
    }
    match address {
        IpAddr::V4(address) if address.is_link_local() => Some("of the local link"),
        IpAddr::V6(address) if address.is_unicast_link_local() => Some("of the local link"),
        // All of `0.0.0.0/8` means this machine to some systems.
        IpAddr::V4(address) if address.octets()[0] == 0 => Some("not the address of a machine"),
        IpAddr::V6(address) if address.is_unspecified() => Some("not the address of a machine"),
        IpAddr::V4(address) if address.is_broadcast() => Some("for many machines at once"),
        address if address.is_multicast() => Some("for many machines at once"),
        _ => None,
    }
}

/// The IPv4 address that some network may make of an IPv6 address.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    if address.is_loopback() || address.is_unspecified() {
        return None;
    }
    let of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // Compatible, mapped, translated, and two kinds of NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4.
        | [0x2002, high, low, ..] => of(high, low),
        _ => None,
    }
}
