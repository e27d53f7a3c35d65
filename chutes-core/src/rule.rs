//! The rules, each in exactly one `const fn`.
//!
//! They answer yes or no about raw values; the types of this crate turn a no into an error. The
//! numbers come from the Chutes job decorator (`@chute.job()`), the form of port names is the one
//! that it documents, and the form of job names is our own.
//!
//! ```
//! use chutes_core::rule;
//!
//! assert!(rule::is_port_number(rule::SSH_PORT.into()));
//! assert!(rule::is_port_name(rule::SSH_PORT_NAME));
//! assert!(!rule::is_port_number(u64::from(rule::FIRST_PORT) - 1));
//! assert!(!rule::is_timeout_seconds(rule::MIN_TIMEOUT_SECONDS - 1));
//! assert!(!rule::is_timeout_seconds(rule::MAX_TIMEOUT_SECONDS + 1));
//! assert!(rule::is_job_name(&"x".repeat(rule::MAX_JOB_NAME_BYTES)));
//! ```

/// The port on which a run offers SSH, and the only port below [`FIRST_PORT`] that a job may open.
pub const SSH_PORT: u16 = 2202;

/// The name of the port that `ssh = true` adds.
pub const SSH_PORT_NAME: &str = "ssh";

/// The lowest port number that a job may open, apart from [`SSH_PORT`].
pub const FIRST_PORT: u16 = 8002;

/// The shortest time limit that a job may declare, in seconds.
pub const MIN_TIMEOUT_SECONDS: u64 = 30;

/// The longest time limit that a job may declare, in seconds (24 hours).
pub const MAX_TIMEOUT_SECONDS: u64 = 86_400;

/// The longest job name, in bytes: with a short run id it still fits into one path component.
pub const MAX_JOB_NAME_BYTES: usize = 200;

/// Whether a job may open this port: 2202, or 8002 to 65535.
///
/// ```
/// assert!(chutes_core::rule::is_port_number(2202));
/// assert!(chutes_core::rule::is_port_number(8002));
/// assert!(!chutes_core::rule::is_port_number(80));
/// ```
#[must_use]
pub const fn is_port_number(number: u64) -> bool {
    number == SSH_PORT as u64 || (FIRST_PORT as u64 <= number && number <= u16::MAX as u64)
}

/// Whether this is a port name: lowercase ASCII letters, then optional digits (`[a-z]+[0-9]*`,
/// the whole string).
///
/// ```
/// assert!(chutes_core::rule::is_port_name("metrics1"));
/// assert!(!chutes_core::rule::is_port_name("web-ui"));
/// assert!(!chutes_core::rule::is_port_name("web\n"));
/// ```
#[must_use]
pub const fn is_port_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let mut letters = 0;
    while letters < bytes.len() && bytes[letters].is_ascii_lowercase() {
        letters += 1;
    }
    let mut end = letters;
    while end < bytes.len() && bytes[end].is_ascii_digit() {
        end += 1;
    }
    letters > 0 && end == bytes.len()
}

/// Whether a job may declare this time limit: 30 to 86,400 seconds.
///
/// ```
/// assert!(chutes_core::rule::is_timeout_seconds(30));
/// assert!(!chutes_core::rule::is_timeout_seconds(86_401));
/// ```
#[must_use]
pub const fn is_timeout_seconds(seconds: u64) -> bool {
    MIN_TIMEOUT_SECONDS <= seconds && seconds <= MAX_TIMEOUT_SECONDS
}

/// Whether this can name a job: 1 to 200 bytes that are safe as one path component and on a command
/// line, so no control characters, white space, slashes or backslashes, and no `-` or `.` in front.
///
/// ```
/// assert!(chutes_core::rule::is_job_name("train"));
/// assert!(!chutes_core::rule::is_job_name("../train"));
/// assert!(!chutes_core::rule::is_job_name("--help"));
/// ```
#[must_use]
pub const fn is_job_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    if bytes.is_empty() || bytes.len() > MAX_JOB_NAME_BYTES || matches!(bytes[0], b'-' | b'.') {
        return false;
    }
    let mut at = 0;
    while at < bytes.len() {
        if matches!(bytes[at], 0..=b' ' | b'/' | b'\\' | 0x7f) {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
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
    fn timeouts() {
        for (seconds, expected) in
            [(0, false), (29, false), (30, true), (86_400, true), (86_401, false)]
        {
            assert_eq!(is_timeout_seconds(seconds), expected, "{seconds} s");
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
}
