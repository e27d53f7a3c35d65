//! Which addresses a spec may name: not those of the machine's own cloud, for inputs and for outputs.
//!
//! A spec may come from another party than the owner of this machine. A URL in it must not make this
//! machine hand out the credentials that its cloud gives it at a link-local address. So an address is
//! checked when it is in a URL, when a name is resolved to it, and again after each redirect. A proxy
//! that the environment names resolves names by itself, so behind one only addresses in URLs are checked.

mod embedded;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chutes_core::AddressRange;

/// Metadata services that are not of the local link, where machines of a cloud get their identity and
/// credentials. docs/security.md lists all of them.
const METADATA: [IpAddr; 10] = [
    // Azure: WireServer, which hands out the settings and secrets of extensions.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Alibaba Cloud.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x100, 0, 0, 0, 0, 0x100, 0x200)),
    // Oracle Cloud: the classic one, and the present one over IPv6.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe)),
    // Google Cloud.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    // Akamai, formerly Linode.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1)),
    // Scaleway.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42)),
    // Volcano Engine and UCloud.
    IpAddr::V4(Ipv4Addr::new(100, 96, 0, 96)),
    IpAddr::V4(Ipv4Addr::new(100, 80, 80, 80)),
];

/// What nearly all clouds have, at an address of the local link.
const COMMON_METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Which addresses requests may go to.
///
/// ```
/// use chutes_transfer::AddressPolicy;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let metadata = "169.254.169.254".parse()?;
/// assert!(AddressPolicy::default().check(metadata).is_err());
/// let allowing = AddressPolicy::new(vec!["169.254.0.0/16".parse()?]);
/// assert!(allowing.check(metadata).is_ok());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    allowed: Vec<AddressRange>,
}

/// An address that no request may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the address {address} is refused, because it is {kind}: if it is yours, allow it with \
     `--allow-address`"
)]
pub struct RefusedAddress {
    address: IpAddr,
    kind: &'static str,
}

impl AddressPolicy {
    /// The default policy, which allows these addresses besides.
    #[must_use]
    pub fn new(allowed: Vec<AddressRange>) -> Self {
        Self { allowed }
    }

    /// Checks an address.
    ///
    /// # Errors
    ///
    /// When no request may go there.
    pub fn check(&self, address: IpAddr) -> Result<(), RefusedAddress> {
        let own = refused_kind(address).map(|kind| (address, kind));
        let Some((refused, kind)) = own.or_else(|| embedded::refused(address)) else {
            return Ok(());
        };
        let is_allowed = |address: IpAddr| self.allowed.iter().any(|range| range.contains(address));
        if is_allowed(address) || is_allowed(refused) {
            return Ok(());
        }
        Err(RefusedAddress { address, kind })
    }
}

fn refused_kind(address: IpAddr) -> Option<&'static str> {
    if is_metadata(address) {
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

fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) if address == COMMON_METADATA => true,
        // Everything in `fd00:ec2::/32` is a service that AWS has for its machines.
        IpAddr::V6(address) if address.segments()[..2] == [0xfd00, 0xec2] => true,
        _ => METADATA.contains(&address),
    }
}
