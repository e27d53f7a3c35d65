//! Each rule, with what it takes and what it refuses.

use proptest::prelude::*;

use super::*;

#[test]
fn port_numbers() {
    for (number, expected) in [
        (0, false),
        (22, false),
        (80, false),
        (2201, false),
        (2202, true),
        (2203, false),
        (8000, false),
        (8001, false),
        (8002, true),
        (65_535, true),
        (65_536, false),
        (65_536 + 2202, false),
        (u64::MAX, false),
    ] {
        assert_eq!(is_port_number(number), expected, "port {number}");
    }
}

#[test]
fn port_names() {
    for (name, expected) in [
        ("web", true),
        ("a", true),
        ("web42", true),
        ("", false),
        ("42", false),
        ("1web", false),
        ("w1b", false),
        ("Web", false),
        ("web-ui", false),
        ("web_ui", false),
        ("web ", false),
        ("web\n", false),
        ("web\0", false),
        ("héb", false),
        ("web٣", false),
    ] {
        assert_eq!(is_port_name(name), expected, "port name {name:?}");
    }
}

#[test]
fn readiness_paths() {
    let long = |length: usize| format!("/{}", "x".repeat(length - 1));
    for (path, expected) in [
        ("/", true),
        ("/health", true),
        ("//", true),
        ("/a/../b?c=d&e=%20", true),
        (&long(MAX_READINESS_PATH), true),
        (&long(MAX_READINESS_PATH + 1), false),
        ("", false),
        ("health", false),
        ("http://e.test/health", false),
        ("/a b", false),
        ("/a\r\nHost: b", false),
        ("/a\t", false),
        ("/a\0", false),
        ("/a\u{7f}", false),
        ("/é", false),
        ("/a#b", false),
    ] {
        assert_eq!(is_readiness_path(path), expected, "readiness path {path:?}");
    }
}

#[test]
fn public_keys() {
    for (text, is_good) in [
        ("ssh-ed25519 AAAA me", true),
        ("# mine\n\nssh-ed25519 AAAA me\r\nssh-rsa AAAA\n", true),
        ("whatever", true),
        ("", false),
        (" \n\t", false),
        ("ssh-ed25519 AAAA\0", false),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl", false),
        ("-----BEGIN RSA PRIVATE KEY-----", false),
        ("ssh-ed25519 AAAA me\n-----BEGIN PRIVATE KEY-----", false),
    ] {
        assert_eq!(public_keys_problem(text).is_none(), is_good, "public keys {text:?}");
    }
}

#[test]
fn timeouts() {
    for (seconds, expected) in
        [(0, false), (29, false), (30, true), (86_400, true), (86_401, false)]
    {
        assert_eq!(is_timeout_seconds(seconds), expected, "{seconds} s");
    }
}

#[test]
fn hub_repositories() {
    let longest = "x".repeat(96);
    let too_long = "x".repeat(97);
    for (name, expected) in [
        ("gpt2", true),
        ("a/b", true),
        ("a-b_c.d/e", true),
        (longest.as_str(), true),
        (too_long.as_str(), false),
        ("", false),
        ("/", false),
        ("a/", false),
        ("a/b/c", false),
        ("../b", false),
        ("a/..", false),
        ("a..b", false),
        ("a--b", false),
        ("-a", false),
        ("a.", false),
        ("a b", false),
        ("a/b.git", false),
        ("a?b", false),
        ("é", false),
    ] {
        assert_eq!(is_hub_repository(name), expected, "repository {name:?}");
    }
}

#[test]
fn revisions() {
    for (revision, expected) in [
        ("main", true),
        ("v1.0", true),
        ("refs/pr/1", true),
        ("", false),
        ("a..b", false),
        ("/main", false),
        ("main/", false),
        ("-main", false),
        ("a b", false),
        ("a\nb", false),
        ("a\\b", false),
        ("a?b", false),
        ("a\u{7f}b", false),
        ("a~1", false),
        ("a^", false),
        ("a:b", false),
        ("a*", false),
        ("a[b", false),
        ("a//b", false),
        (".a", false),
        ("a/.b", false),
        (".", false),
        ("a.", false),
        ("a.lock", false),
        ("a.lock/b", false),
        ("@", false),
        ("a@{1}", false),
        ("fix#1", true),
        ("50%", true),
        ("%2e%2e", true),
        ("a]b{c}(d)!$&'+,;=<>|`\"", true),
        ("@a", true),
        ("a@b", true),
        ("a./b", true),
        ("a.locks", true),
        ("a-", true),
        ("größe/ä", true),
        ("a\u{a0}b\u{3000}", true),
        ("a\u{85}b", true),
    ] {
        assert_eq!(revision_problem(revision).is_none(), expected, "revision {revision:?}");
    }
    assert_eq!(revision_problem(&["x"; 512].join("/")), None);
    assert!(revision_problem(&"x/".repeat(600)).is_some());
    assert!(revision_problem(&"x".repeat(256)).is_some());
}

#[test]
fn patterns() {
    for (pattern, expected) in [
        ("*.json", true),
        ("a..b/*", true),
        ("[ab]?.bin", true),
        ("", false),
        ("/etc/*", false),
        ("a/../b", false),
        ("..", false),
        ("a\0", false),
    ] {
        assert_eq!(pattern_problem(pattern).is_none(), expected, "pattern {pattern:?}");
    }
}

#[test]
fn job_names() {
    let longest = "x".repeat(MAX_JOB_NAME_BYTES);
    let too_long = "x".repeat(MAX_JOB_NAME_BYTES + 1);
    for (name, expected) in [
        ("train", true),
        ("café", true),
        ("_", true),
        (longest.as_str(), true),
        (too_long.as_str(), false),
        ("", false),
        ("..", false),
        ("-rf", false),
        ("a/b", false),
        ("a\\b", false),
        ("a b", false),
        ("a\0", false),
    ] {
        assert_eq!(is_job_name(name), expected, "job name {name:?}");
    }
}

proptest! {
    #[test]
    fn port_name_is_the_regular_expression(name in "[a-z0-9A-Z\\-_ \n]{0,6}") {
        let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let by_words = !letters.is_empty() && letters.chars().all(|c| c.is_ascii_lowercase());
        prop_assert_eq!(is_port_name(&name), by_words);
    }
}
