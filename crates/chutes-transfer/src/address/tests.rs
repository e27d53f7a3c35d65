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
    ]
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
