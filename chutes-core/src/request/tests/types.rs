//! The small types of a request: their texts, and their JSON.

use std::str::FromStr;

use super::*;

/// Whether a text is read, and written as it was.
#[track_caller]
fn check<T>(text: &str, is_right: bool)
where
    T: FromStr + ToString + serde::Serialize + serde::de::DeserializeOwned + PartialEq + fmt::Debug,
{
    let parsed = text.parse::<T>().ok();
    assert_eq!(parsed.as_ref().map(ToString::to_string), is_right.then(|| text.to_owned()));
    let read = serde_json::from_value::<T>(json!(text)).ok();
    assert_eq!(read, parsed, "{text}");
    assert_eq!(read.map(|read| json!(read)), is_right.then(|| json!(text)));
}

#[test]
fn attempts() {
    for (number, is_right) in [(0, false), (1, true), (u32::MAX, true)] {
        assert_eq!(Attempt::new(number).is_ok(), is_right, "{number}");
        let read = serde_json::from_value::<Attempt>(json!(number)).ok();
        assert_eq!(read, Attempt::new(number).ok());
        assert_eq!(read.map(|read| json!(read)), is_right.then(|| json!(number)));
    }
    assert_eq!(Attempt::default(), Attempt::FIRST);
}

#[test]
fn names_of_labels() {
    let longest = "a".repeat(63);
    for name in ["a", "7", "A-b_c.d", &longest] {
        check::<LabelName>(name, true);
    }
    let too_long = "a".repeat(64);
    for name in ["", "-a", "a-", ".", "a b", "a/b", "é", "a\n", &too_long] {
        check::<LabelName>(name, false);
    }
    let labels = full().labels;
    assert_eq!(labels.get("team").map(String::as_str), Some("vision"));
}

#[test]
fn trace_parents() {
    let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    for flags in ["00", "01", "03", "ff"] {
        check::<TraceParent>(&format!("00-{trace}-{parent}-{flags}"), true);
    }
    for wrong in [
        String::new(),
        format!("00-{trace}-{parent}"),
        format!("00-{trace}-{parent}-1"),
        format!("00-{trace}-{parent}-01-"),
        format!("00-{trace}-{parent}-01-x"),
        format!("ff-{trace}-{parent}-01"),
        format!("0-{trace}-{parent}-001"),
        format!("00-{trace}-{parent}-0g"),
        format!("00-{}-{parent}-01", trace.to_uppercase()),
        format!("00-{}-{parent}-01", "0".repeat(32)),
        format!("00-{trace}-{}-01", "0".repeat(16)),
        format!("00_{trace}-{parent}-01"),
        format!("00-{trace}{parent}-01--"),
        format!(" 00-{trace}-{parent}-01"),
        "é".repeat(28),
    ] {
        check::<TraceParent>(&wrong, false);
    }
    let known = format!("00-{trace}-{parent}-01").parse::<TraceParent>();
    for later in [format!("cc-{trace}-{parent}-01"), format!("01-{trace}-{parent}-01-new-field")] {
        assert_eq!(later.parse::<TraceParent>(), known, "{later}");
    }
    assert!(format!("01-{trace}-{parent}-01new").parse::<TraceParent>().is_err());
}

#[test]
fn ranges_of_addresses() {
    for (text, inside, outside) in [
        ("169.254.169.254", "169.254.169.254", "169.254.169.253"),
        ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
        ("0.0.0.0/0", "255.255.255.255", "::1"),
        ("::/0", "fe80::1", "1.2.3.4"),
        ("fe80::/10", "febf::1", "fec0::1"),
    ] {
        check::<AddressRange>(text, true);
        let range: AddressRange = text.parse().unwrap();
        assert!(range.contains(inside.parse().unwrap()), "{text}");
        assert!(!range.contains(outside.parse().unwrap()), "{text}");
    }
    for wrong in
        ["", "x", "1.2.3.4/33", "::/129", "1.2.3.4/", "1.2.3.4/+8", "10.0.0.1/8", "1.2.3/8"]
    {
        check::<AddressRange>(wrong, false);
    }
}

#[test]
fn pull_policies() {
    for policy in PullPolicy::ALL {
        check::<PullPolicy>(policy.as_str(), true);
    }
    for wrong in ["", "Always", "if_not_present"] {
        check::<PullPolicy>(wrong, false);
    }
}

#[test]
fn public_hosts() {
    let check = |text: &str, is_right| {
        assert_eq!(AccessRequest::is_public_host(text), is_right, "{text}");
    };
    for text in ["localhost", "gpu-7.lab.test", "192.0.2.7", "2001:db8::1"] {
        check(text, true);
    }
    for text in ["", "-o", "a b", "a..b", "$(x)", "[::1]", "a/b", "host:22", &"a".repeat(64)] {
        check(text, false);
    }
}

#[test]
fn addresses_of_engines_are_shown_without_passwords() {
    for (host, shown) in [
        ("unix:///run/a@b.sock", "unix:///run/a@b.sock"),
        ("/run/x.sock", "/run/x.sock"),
        ("tcp://h:2375", "tcp://h:2375"),
        ("tcp://u:secret@h:1", "…"),
        ("tcp://h:1?token=secret", "…"),
        ("http://h:1#secret", "…"),
    ] {
        let engine = EngineRequest { host: Some(host.to_owned()), pull: PullPolicy::Missing };
        let expected = format!("EngineRequest {{ host: Some({shown:?}), pull: Missing }}");
        assert_eq!(format!("{engine:?}"), expected);
    }
}
