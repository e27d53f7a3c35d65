//! Bytes as hexadecimal digits.

use std::fmt;

/// Shows each byte as two lowercase digits.
pub(crate) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// The bytes that these digits encode, if there are exactly two for each byte.
pub(crate) fn read<const N: usize>(digits: impl Iterator<Item = char>) -> Option<[u8; N]> {
    let mut values = digits.map(|digit| digit.to_digit(16));
    let mut bytes = [0; N];
    for byte in &mut bytes {
        let (high, low) = (values.next()??, values.next()??);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    values.next().is_none().then_some(bytes)
}
