//! Durations as people write them: `1h 30m`.

use std::fmt;
use std::time::Duration;

/// Why a text is not a duration.
///
/// ```
/// let error = chutes::text::parse_duration("30m 1h").unwrap_err();
/// assert_eq!(error, chutes::text::DurationError::OutOfOrder);
/// assert_eq!(error.to_string(), "the units of a duration go from large to small, each once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DurationError {
    /// There is nothing but white space.
    Empty,
    /// A unit without a number in front of it, or a character that belongs to neither.
    NoNumber,
    /// A number without a unit behind it.
    NoUnit,
    /// A unit other than `d`, `h`, `m`, `s` and their names.
    UnknownUnit,
    /// A number with a decimal point.
    Fraction,
    /// A unit that is given twice, or a larger one after a smaller one.
    OutOfOrder,
    /// More seconds than fit into 64 bits.
    TooLong,
}

impl fmt::Display for DurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a duration cannot be empty",
            Self::NoNumber => "each unit of a duration needs a whole number in front of it",
            Self::NoUnit => "each number of a duration needs a unit: `d`, `h`, `m`, or `s`",
            Self::UnknownUnit => "the units of a duration are `d`, `h`, `m`, and `s`",
            Self::Fraction => {
                "a duration has no fractions: write `1h 30m` for one and a half hours"
            }
            Self::OutOfOrder => "the units of a duration go from large to small, each once",
            Self::TooLong => "the duration is too long",
        })
    }
}

impl std::error::Error for DurationError {}

/// Reads a duration in whole seconds: numbers with the units `d`, `h`, `m` and `s`, from large to
/// small, each at most once, with any white space between them. Units may be written out: `90min`, `2 hours`.
///
/// ```
/// use chutes::text::{DurationError, parse_duration};
///
/// assert_eq!(parse_duration("1h 30m"), Ok(5_400));
/// assert_eq!(parse_duration("2d"), Ok(172_800));
/// assert_eq!(parse_duration("90 minutes"), Ok(5_400));
/// assert_eq!(parse_duration("60"), Err(DurationError::NoUnit));
/// ```
pub const fn parse_duration(text: &str) -> Result<u64, DurationError> {
    let bytes = text.as_bytes();
    let mut at = skip_space(bytes, 0);
    if at == bytes.len() {
        return Err(DurationError::Empty);
    }
    let mut total: u64 = 0;
    let mut smallest_so_far = u64::MAX;
    while at < bytes.len() {
        let (number, after_number) = match read_number(bytes, at) {
            Ok(read) => read,
            Err(error) => return Err(error),
        };
        if is_fraction(bytes, after_number) {
            return Err(DurationError::Fraction);
        }
        at = skip_space(bytes, after_number);
        if at == bytes.len() || bytes[at].is_ascii_digit() {
            return Err(DurationError::NoUnit);
        }
        let after_unit = skip_letters(bytes, at);
        let name = bytes.split_at(after_unit).0.split_at(at).1;
        let Some(unit) = unit_seconds(name) else {
            return Err(DurationError::UnknownUnit);
        };
        if unit >= smallest_so_far {
            return Err(DurationError::OutOfOrder);
        }
        smallest_so_far = unit;
        total = match add_product(total, number, unit) {
            Some(sum) => sum,
            None => return Err(DurationError::TooLong),
        };
        at = skip_space(bytes, after_unit);
    }
    Ok(total)
}

/// Whether a decimal point and a digit are here.
const fn is_fraction(bytes: &[u8], at: usize) -> bool {
    at + 1 < bytes.len() && matches!(bytes[at], b'.' | b',') && bytes[at + 1].is_ascii_digit()
}

const fn skip_letters(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at].is_ascii_alphabetic() {
        at += 1;
    }
    at
}

const fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at].is_ascii_whitespace() {
        at += 1;
    }
    at
}

const fn read_number(bytes: &[u8], start: usize) -> Result<(u64, usize), DurationError> {
    let mut number: u64 = 0;
    let mut at = start;
    while at < bytes.len() && bytes[at].is_ascii_digit() {
        number = match add_product((bytes[at] - b'0') as u64, number, 10) {
            Some(number) => number,
            None => return Err(DurationError::TooLong),
        };
        at += 1;
    }
    if at == start { Err(DurationError::NoNumber) } else { Ok((number, at)) }
}

/// The units of [`HumanDuration`], from large to small.
const UNITS: [(u64, char); 4] = [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')];

const fn unit_seconds(name: &[u8]) -> Option<u64> {
    match name {
        b"d" | b"day" | b"days" => Some(86_400),
        b"h" | b"hr" | b"hrs" | b"hour" | b"hours" => Some(3_600),
        b"m" | b"min" | b"mins" | b"minute" | b"minutes" => Some(60),
        b"s" | b"sec" | b"secs" | b"second" | b"seconds" => Some(1),
        _ => None,
    }
}

const fn add_product(sum: u64, left: u64, right: u64) -> Option<u64> {
    match left.checked_mul(right) {
        Some(product) => sum.checked_add(product),
        None => None,
    }
}

/// Shows a duration for people: whole seconds from one minute on (`1h 30m`), else with two digits
/// after the point (`12.34s`).
///
/// ```
/// use std::time::Duration;
/// use chutes::text::HumanDuration;
///
/// assert_eq!(HumanDuration(Duration::from_secs(5_400)).to_string(), "1h 30m");
/// assert_eq!(HumanDuration(Duration::from_millis(12_344)).to_string(), "12.34s");
/// assert_eq!(HumanDuration(Duration::from_secs(30)).to_string(), "30s");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanDuration(
    /// The duration to show.
    pub Duration,
);

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds < 60 && self.0.subsec_nanos() > 0 {
            return write!(f, "{:.2}s", self.0.as_secs_f64());
        }
        let mut rest = seconds;
        let mut separator = "";
        for (length, unit) in UNITS {
            let count = rest / length;
            rest %= length;
            if count > 0 || (unit == 's' && seconds == 0) {
                write!(f, "{separator}{count}{unit}")?;
                separator = " ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        use DurationError::*;
        for (text, expected) in [
            ("30s", Ok(30)),
            ("1h 30m", Ok(5_400)),
            ("1h30m", Ok(5_400)),
            (" 1 d\t2h ", Ok(93_600)),
            ("0s", Ok(0)),
            ("", Err(Empty)),
            ("  ", Err(Empty)),
            ("60", Err(NoUnit)),
            ("1h 30", Err(NoUnit)),
            ("1 0s", Err(NoUnit)),
            ("h", Err(NoNumber)),
            ("-1h", Err(NoNumber)),
            ("1h,30m", Err(NoNumber)),
            ("7q", Err(UnknownUnit)),
            ("1.5h", Err(Fraction)),
            ("1,5 h", Err(Fraction)),
            ("1.h", Err(UnknownUnit)),
            ("1H", Err(UnknownUnit)),
            ("5ms", Err(UnknownUnit)),
            ("90min", Ok(5_400)),
            ("2 hours", Ok(7_200)),
            ("1 hour 30 minutes", Ok(5_400)),
            ("1day2hrs3mins4secs", Ok(93_784)),
            ("30 seconds", Ok(30)),
            ("1 hourly", Err(UnknownUnit)),
            ("1h 1 hour", Err(OutOfOrder)),
            ("30m 1h", Err(OutOfOrder)),
            ("1h 1h", Err(OutOfOrder)),
            ("213503982334602d", Err(TooLong)),
            ("99999999999999999999s", Err(TooLong)),
            ("3é", Err(UnknownUnit)),
        ] {
            assert_eq!(parse_duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn shown() {
        for (duration, expected) in [
            (Duration::ZERO, "0s"),
            (Duration::from_millis(3), "0.00s"),
            (Duration::from_millis(59_990), "59.99s"),
            (Duration::from_millis(61_900), "1m 1s"),
            (Duration::from_hours(24), "1d"),
        ] {
            assert_eq!(HumanDuration(duration).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_jiff(h in 0u32..30, m in 0u32..100, s in 0u32..10_000) {
            let text = format!("{h}h {m}m {s}s");
            let jiff: jiff::SignedDuration = text.parse().unwrap();
            prop_assert_eq!(parse_duration(&text).unwrap(), jiff.as_secs().unsigned_abs());
        }

        #[test]
        fn whole_seconds_are_read_back(seconds in 0u64..10_000_000) {
            let shown = HumanDuration(Duration::from_secs(seconds)).to_string();
            prop_assert_eq!(parse_duration(&shown), Ok(seconds));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
