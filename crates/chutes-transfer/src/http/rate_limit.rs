//! How long a server asks a client to wait: `Retry-After`, and the headers of rate limits.
//!
//! - `RateLimit: "policy";r=0;t=240` of the draft of the IETF, which the Hugging Face Hub has; `r` is what is left,
//!   and `t` are the seconds until there is more;
//! - `RateLimit: limit=10, remaining=0, reset=240` of its older versions;
//! - `RateLimit-Reset`, `X-RateLimit-Reset` and the like: seconds, or the time as seconds or milliseconds since 1970,
//!   or a date.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

const RATE_LIMIT: &str = "ratelimit";

/// What is left, in headers of their own.
const REMAINING: [&str; 3] =
    ["ratelimit-remaining", "x-ratelimit-remaining", "x-rate-limit-remaining"];

/// When there is more.
const RESET: [&str; 4] =
    ["x-ratelimit-reset-after", "ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset"];

/// From here on a number is the time of day: as an interval it would be more than 30 years.
const SECONDS_SINCE_1970: f64 = 1e9;
const MILLISECONDS_SINCE_1970: f64 = 1e12;

/// Whether an answer says that there were too many requests. Some servers say it with `403 Forbidden` and a header.
pub(super) fn is_reached(status: StatusCode, headers: &HeaderMap) -> bool {
    let is_used_up = || {
        let remaining = REMAINING.iter().find_map(|name| text(headers, name));
        remaining.is_some_and(|remaining| remaining.parse() == Ok(0_u64))
            || items(headers).any(|item| item.remaining.is_some() && item.is_used_up())
    };
    match status {
        StatusCode::TOO_MANY_REQUESTS => true,
        StatusCode::FORBIDDEN => is_used_up(),
        _ => false,
    }
}

/// How long the server asks the client to wait before another request.
pub(super) fn asked_wait(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let asked = retry_after(headers, now);
    asked.filter(|wait| !wait.is_zero()).or_else(|| until_reset(headers, now)).or(asked)
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = text(headers, RETRY_AFTER.as_str())?;
    value.parse().ok().map(Duration::from_secs).or_else(|| until(value, now))
}

/// How long it is until the last of the limits that are used up has its next window.
fn until_reset(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let used_up = items(headers).filter(Item::is_used_up);
    let of_items = used_up.filter_map(|item| interval(item.reset?, now)).max();
    of_items.or_else(|| RESET.iter().find_map(|name| interval(text(headers, name)?, now)))
}

/// One limit of a `RateLimit` header.
struct Item<'a> {
    remaining: Option<&'a str>,
    reset: Option<&'a str>,
}

impl Item<'_> {
    /// Without a word of what is left, nothing is.
    fn is_used_up(&self) -> bool {
        self.remaining.is_none_or(|remaining| remaining.parse() == Ok(0_u64))
    }
}

/// The limits of all `RateLimit` headers. Names of policies are not read, only skipped.
fn items(headers: &HeaderMap) -> impl Iterator<Item = Item<'_>> {
    let values = headers.get_all(RATE_LIMIT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| {
        // The old form has one limit, whose parameters are the members of the list.
        let separator = if value.contains(';') { ',' } else { '\0' };
        value.split(separator).map(|item| {
            let parameter = |names: [&str; 2]| {
                let pairs = item.split([';', ',']).filter_map(|pair| pair.split_once('='));
                let mut named = pairs.filter(|(name, _)| names.contains(&name.trim()));
                named.next().map(|(_, value)| value.trim())
            };
            Item { remaining: parameter(["r", "remaining"]), reset: parameter(["t", "reset"]) }
        })
    })
}

/// A number of seconds, or a moment.
fn interval(value: &str, now: Timestamp) -> Option<Duration> {
    let Ok(number) = value.parse::<f64>() else { return until(value, now) };
    let since_1970 = Duration::try_from(now.duration_since(Timestamp::UNIX_EPOCH)).ok()?;
    let seconds = match number {
        number if number >= MILLISECONDS_SINCE_1970 => number / 1000.0 - since_1970.as_secs_f64(),
        number if number >= SECONDS_SINCE_1970 => number - since_1970.as_secs_f64(),
        number => number,
    };
    // Whole seconds, and never too early.
    Duration::try_from_secs_f64(seconds.max(0.0).ceil()).ok()
}

/// How long it is until a date.
fn until(date: &str, now: Timestamp) -> Option<Duration> {
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(Duration::try_from(date.duration_since(now)).unwrap_or(Duration::ZERO))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T01:02:03Z".parse().unwrap()
    }

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        lines.iter().map(header).collect()
    }

    #[track_caller]
    fn check(lines: &[(&'static str, &str)], expected: Option<u64>) {
        let expected = expected.map(Duration::from_secs);
        assert_eq!(asked_wait(&headers(lines), now()), expected, "{lines:?}");
    }

    #[test]
    fn retry_after_values() {
        for (value, expected) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Sun, 22 Nov 2026 01:03:03 GMT", Some(60)),
            ("Sun, 22 Nov 2026 01:00:00 GMT", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            check(&[("retry-after", value)], expected);
        }
        check(&[], None);
    }

    #[test]
    fn rate_limits() {
        for (value, expected) in [
            ("\"resolvers\";r=0;t=240", Some(240)),
            ("\"api\"; r=0; t=55", Some(55)),
            ("\"a\";r=17;t=300, \"b\";r=0;t=20", Some(20)),
            ("\"a\";r=0;t=20, \"b\";r=0;t=300", Some(300)),
            ("\"a, b=c\";r=0;t=20", Some(20)),
            ("\"a\";t=20", Some(20)),
            ("limit=100, remaining=0, reset=50", Some(50)),
            ("limit=100, remaining=9, reset=50", None),
            ("\"a\";r=17;t=300", None),
            ("\"a\";r=0", None),
            ("\"a\";r=0;t=soon", None),
            ("", None),
        ] {
            check(&[("ratelimit", value)], expected);
        }
    }

    /// 2026-11-22T01:02:03Z is 1795309323.
    #[test]
    fn resets() {
        for name in RESET {
            for (value, expected) in [
                ("4", Some(4)),
                ("0.25", Some(1)),
                ("1795309383", Some(60)),
                ("1795309383000", Some(60)),
                ("1795309300", Some(0)),
                ("Sun, 22 Nov 2026 01:03:03 GMT", Some(60)),
                ("-4", Some(0)),
                ("NaN", Some(0)),
                ("inf", None),
                ("soon", None),
            ] {
                check(&[(name, value)], expected);
            }
        }
    }

    #[test]
    fn the_first_header_that_asks_for_time_counts() {
        let limit = ("ratelimit", "\"a\";r=0;t=240");
        check(&[limit, ("retry-after", "7")], Some(7));
        check(&[limit, ("retry-after", "0")], Some(240));
        check(&[limit, ("retry-after", "soon")], Some(240));
        check(&[limit, ("x-ratelimit-reset", "7")], Some(240));
        check(&[("ratelimit", "\"a\";r=5;t=240"), ("ratelimit-reset", "7")], Some(7));
    }

    #[test]
    fn limits_that_are_reached() {
        let check = |status: u16, lines: &[(&'static str, &str)], expected: bool| {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(is_reached(status, &headers(lines)), expected, "{status} {lines:?}");
        };
        check(429, &[], true);
        check(403, &[], false);
        check(403, &[("x-ratelimit-remaining", "0")], true);
        check(403, &[("x-ratelimit-remaining", "59")], false);
        check(403, &[("ratelimit", "\"a\";r=0;t=9")], true);
        check(403, &[("ratelimit", "\"a\";r=1;t=9")], false);
        check(403, &[("ratelimit", "unlimited")], false);
        check(404, &[("x-ratelimit-remaining", "0")], false);
        check(200, &[("x-ratelimit-remaining", "0")], false);
    }
}
