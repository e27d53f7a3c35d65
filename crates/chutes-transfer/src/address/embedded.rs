//! IPv4 addresses in IPv6 addresses: what a gateway may translate them to, or send them through a tunnel to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{is_metadata, refused_kind};

/// Where the address of IPv4 begins that a prefix of so many bits is followed by (RFC 6052): the byte 8 is left out.
const PREFIX_BYTES: [usize; 6] = [4, 5, 6, 7, 8, 12];

/// The address of IPv4 within this one that no request may go to, if there is one, and what it is.
pub(super) fn refused(address: IpAddr) -> Option<(IpAddr, &'static str)> {
    let IpAddr::V6(address) = address else { return None };
    if address.is_loopback() || address.is_unspecified() {
        return None;
    }
    let known = known(address).into_iter().flatten().map(IpAddr::V4);
    let mut known = known.filter_map(|inner| Some((inner, refused_kind(inner)?)));
    known.next().or_else(|| {
        // A network may have a prefix of its own for its gateway, which cannot be known.
        let possible = PREFIX_BYTES.map(|begin| IpAddr::V4(after_prefix(address, begin)));
        let inner = possible.into_iter().find(|inner| is_metadata(*inner))?;
        Some((inner, refused_kind(inner)?))
    })
}

/// The addresses that this one stands for by a rule of its own.
fn known(address: Ipv6Addr) -> [Option<Ipv4Addr>; 2] {
    match address.segments() {
        // IPv4-compatible, IPv4-mapped, IPv4-translated, and two kinds of NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, _, _, high, low]
        // ISATAP.
        | [_, _, _, _, 0 | 0x200, 0x5efe, high, low]
        // 6to4.
        | [0x2002, high, low, ..] => [Some(of(high, low)), None],
        // Teredo: its server, and the client behind it, whose address is inverted.
        [0x2001, 0, high, low, _, _, client_high, client_low] => {
            [Some(of(high, low)), Some(of(!client_high, !client_low))]
        }
        _ => [None, None],
    }
}

fn of(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

fn after_prefix(address: Ipv6Addr, begin: usize) -> Ipv4Addr {
    let octets = address.octets();
    let mut bytes = (begin..).filter(|&place| place != 8).map(|place| octets[place]);
    let [a, b, c, d] = [(); 4].map(|()| bytes.next().unwrap_or_default());
    Ipv4Addr::new(a, b, c, d)
}
