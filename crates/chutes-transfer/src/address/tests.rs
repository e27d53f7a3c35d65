//! Addresses in all their spellings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// All forms in which an IPv4 address can be written into a URL.
fn forms(address: Ipv4Addr) -> Vec<IpAddr> {
    let [a, b, c, d] = address.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    let address_of = |segments: [u16; 8]| IpAddr::V6(Ipv6Addr::from(segments));
    vec![
        address.into(),
        address_of([0, 0, 0, 0, 0, 0xffff, high, low]),
        address_of([0x64, 0xff9b, 0, 0, 0, 0, high, low]),
        address_of([0x2002, high, low, 0, 0, 0, 0, 1]),
        address_of([0, 0, 0, 0, 0xffff, 0, high, low]),
        address_of([0x64, 0xff9b, 1, 0, 0, 0, high, low]),
        address_of([0xfe, 0, 0, 1, 0, 0x5efe, high, low]),
        address_of([0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low]),
        address_of([0x2001, 0, high, low, 0x8000, 0x63bf, 0x3fff, 0xfdd2]),
    ]
}

#[track_caller]
fn check(address: &str, expected: Option<&str>) {
    let refused = AddressPolicy::default().check(address.parse().unwrap());
    assert_eq!(refused.err().map(|error| error.kind), expected, "{address}");
}

/// As docs/security.md lists them.
#[test]
fn metadata_services_of_clouds() {
    for address in METADATA_OF_CLOUDS {
        check(address, Some("a metadata service of a cloud"));
    }
    for address in LINK_LOCAL_SERVICES {
        check(address, Some("of the local link"));
    }
    let page = include_str!("../../../../docs/security.md");
    for address in METADATA_OF_CLOUDS.iter().chain(&LINK_LOCAL_SERVICES) {
        assert!(page.contains(&format!("`{address}`")), "{address} is not in docs/security.md");
    }
    for address in METADATA {
        assert!(page.contains(&format!("`{address}`")), "{address} is not in docs/security.md");
    }
}

const METADATA_OF_CLOUDS: [&str; 13] = [
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "100.96.0.96",
    "100.80.80.80",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:c1::a9fe:a9fe",
    "fd00:a9fe:a9fe::1",
    "fd00:42::42",
    "fd00:100::100:200",
];

const LINK_LOCAL_SERVICES: [&str; 7] = [
    "169.254.170.2",
    "169.254.170.23",
    "169.254.42.42",
    "169.254.0.23",
    "169.254.10.10",
    "fe80::a9fe:a9fe",
    "fe80::1234:5678:9abc",
];

/// Also with the prefix that the gateway of a network may have for itself.
#[test]
fn metadata_services_behind_gateways() {
    for address in METADATA_OF_CLOUDS {
        let IpAddr::V4(address) = address.parse().unwrap() else { continue };
        for form in forms(address) {
            assert!(AddressPolicy::default().check(form).is_err(), "{form}");
        }
    }
    for address in [
        "2001:db8::a9fe:a9fe",
        "2001:db8:122:344::168.63.129.16",
        "2001:db8:a9fe:a9fe::",
        "2001:db8:1a9:fea9:fe::",
        "2001:db8:122:a9fe:a9:fe00::",
        "2001:db8:122:3a9:fe:a9fe::",
        "2001:db8:122:344:a9:fea9:fe00::",
    ] {
        check(address, Some("a metadata service of a cloud"));
    }
    check("64:ff9b:1:a9fe:a9:fe00::", Some("not the address of a machine"));
    let allowed = AddressPolicy::new(vec!["168.63.129.16".parse().unwrap()]);
    assert!(allowed.check("2001:db8:122:344::168.63.129.16".parse().unwrap()).is_ok());
    assert!(allowed.check("2001:db8::a9fe:a9fe".parse().unwrap()).is_err());
}

#[test]
fn neighbours_of_metadata_services() {
    for address in [
        "168.63.129.15",
        "100.100.100.201",
        "192.0.0.193",
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "fd00:ec3::254",
        "fd00:a9fe:a9fe::2",
        "2001:db8::a9fe:a9ff",
        "2606:4700::6810:84e5",
    ] {
        check(address, None);
    }
}

proptest! {
    #[test]
    fn the_local_link_is_refused_in_all_forms(c: u8, d: u8) {
        let address = Ipv4Addr::new(169, 254, c, d);
        let allowed = AddressPolicy::new(vec!["169.254.0.0/16".parse().unwrap()]);
        for form in forms(address) {
            prop_assert!(AddressPolicy::default().check(form).is_err(), "{}", form);
            prop_assert!(allowed.check(form).is_ok(), "{}", form);
        }
    }

    #[test]
    fn all_forms_of_an_address_are_judged_alike(number: u32) {
        let address = Ipv4Addr::from(number);
        let policy = AddressPolicy::default();
        let is_allowed = policy.check(address.into()).is_ok();
        for form in forms(address) {
            prop_assert_eq!(policy.check(form).is_ok(), is_allowed, "{}", form);
        }
    }

    #[test]
    fn a_range_has_the_addresses_with_its_bits(number: u32, other: u32, bits in 0_u32..=32) {
        let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
        let range: AddressRange =
            format!("{}/{bits}", Ipv4Addr::from(number & mask)).parse().unwrap();
        let expected = number & mask == other & mask;
        prop_assert_eq!(range.contains(Ipv4Addr::from(other).into()), expected);
        prop_assert!(range.contains(Ipv4Addr::from(number).into()));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC*") {
        if let Ok(range) = text.parse::<AddressRange>() {
            prop_assert_eq!(range.to_string().parse(), Ok(range));
        }
    }
}
