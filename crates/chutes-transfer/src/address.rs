//! Which addresses a spec may name: not those of the machine's own cloud, for inputs and for outputs.
//!
//! A spec may come from another party than the owner of this machine. A URL in it must not make this
//! machine hand out the credentials that its cloud gives it at a link-local address. So an address is
//! checked when it is in a URL, when a name is resolved to it, and again after each redirect. A proxy
//! that the environment names resolves names by itself, so behind one only addresses in URLs are checked.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use chutes_core::AddressRange;

/// Metadata services, where machines of a cloud get their identity and credentials: AWS and most
/// others, AWS again, Google, Alibaba, Oracle.
const METADATA: [IpAddr; 5] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

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
        let inner = embedded(address).map(IpAddr::V4);
        let kind = refused_kind(address).or_else(|| refused_kind(inner?));
        let Some(kind) = kind else { return Ok(()) };
        let is_allowed = |address: IpAddr| self.allowed.iter().any(|range| range.contains(address));
        if is_allowed(address) || inner.is_some_and(is_allowed) {
            return Ok(());
        }
        Err(RefusedAddress { address, kind })
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

/// The IPv4 address that a gateway may translate an IPv6 address to.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    if address.is_loopback() || address.is_unspecified() {
        return None;
    }
    let address_of = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        // IPv4-compatible, IPv4-mapped, IPv4-translated, and two kinds of NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // 6to4.
        | [0x2002, high, low, ..] => address_of(high, low),
        _ => None,
    }
}
