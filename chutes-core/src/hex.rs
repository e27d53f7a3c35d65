//! Bytes as hexadecimal digits.

use std::fmt;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// How many bytes are shown by one call: those of a checksum.
const AT_ONCE: usize = 32;

/// Shows each byte as two lowercase digits.
pub(crate) fn write(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // Checksums are in every record of a log. A call for each byte takes ten times as long.
    for bytes in bytes.chunks(AT_ONCE) {
        let mut text = [0; 2 * AT_ONCE];
        for (digits, byte) in text.chunks_exact_mut(2).zip(bytes) {
            digits.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        let text = text.get(..2 * bytes.len()).and_then(|text| str::from_utf8(text).ok());
        f.write_str(text.ok_or(fmt::Error)?)?;
    }
    Ok(())
}

/// The digit of a number below 16.
fn digit(number: u8) -> u8 {
    DIGITS[usize::from(number & 15)]
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown(Vec<u8>);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write(&self.0, f)
        }
    }

    #[test]
    fn each_byte_has_two_digits() {
        let all: Vec<u8> = (0..=255).collect();
        let expected = all.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        for length in [0, 1, 16, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 256] {
            let shown = Shown(all[..length].to_vec()).to_string();
            assert_eq!(shown, expected[..2 * length], "{length}");
        }
        let digits = Shown(all[..AT_ONCE].to_vec()).to_string();
        assert_eq!(read::<AT_ONCE>(digits.chars()).unwrap(), all[..AT_ONCE]);
    }
}
