//! Numbers of bytes, for people.

use std::fmt;

/// Shows a number of bytes with one digit after the point, in units of 1000 as disks are sold.
///
/// ```
/// use chutes::text::HumanSize;
///
/// assert_eq!(HumanSize(999).to_string(), "999 B");
/// assert_eq!(HumanSize(5_368_709_120).to_string(), "5.4 GB");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HumanSize(
    /// The number of bytes.
    pub u64,
);

impl fmt::Display for HumanSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1_000 {
            return write!(f, "{} B", self.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
        let mut size = self.0 as f64 / 1_000.0;
        let mut unit = 0;
        // From here on the digit after the point would be rounded up to the next unit.
        while size >= 999.95 && unit + 1 < UNITS.len() {
            size /= 1_000.0;
            unit += 1;
        }
        write!(f, "{size:.1} {}", UNITS[unit])
    }
}

/// The units, each with its number of bytes. `B` is last, because the others end with it.
const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

/// Reads a number of bytes with a unit: `B`, `kB`, `MB`, `GB`, `TB` of 1000, or `KiB`, `MiB`, `GiB`, `TiB`
/// of 1024. Without a unit it is a number of bytes.
///
/// ```
/// use chutes::text::parse_size;
///
/// assert_eq!(parse_size("8GB"), Ok(8_000_000_000));
/// assert_eq!(parse_size("512 MiB"), Ok(512 * 1_024 * 1_024));
/// assert!(parse_size("8 gigabytes").is_err());
/// ```
pub fn parse_size(text: &str) -> Result<u64, SizeError> {
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, bytes) = unit.unwrap_or((text, 1));
    let number: u64 = number.trim_end().parse().map_err(|_| SizeError)?;
    number.checked_mul(bytes).ok_or(SizeError)
}

/// A text that is not a number of bytes, or is too large.
///
/// ```
/// let error = chutes::text::parse_size("large").unwrap_err();
/// assert_eq!(error.to_string(), "expected a size like `8GB` or `512MiB`");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeError;

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a size like `8GB` or `512MiB`")
    }
}

impl std::error::Error for SizeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (5_368_709_120, "5.4 GB"),
            (u64::MAX, "18.4 EB"),
        ] {
            assert_eq!(HumanSize(bytes).to_string(), expected);
        }
    }

    #[test]
    fn read() {
        for (text, expected) in [
            ("8GB", Some(8_000_000_000)),
            ("512 MiB", Some(536_870_912)),
            ("1024", Some(1_024)),
            ("1kB", Some(1_000)),
            ("0B", Some(0)),
            ("8gb", None),
            ("-1GB", None),
            ("GB", None),
            ("", None),
            ("99999999999TB", None),
        ] {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,12}") {
            let _ = parse_size(&text);
        }
    }
}
