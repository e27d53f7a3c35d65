//! Bounds of texts that user code makes: messages of errors and of panics, and their causes.
//!
//! Such a text may have any length, and a chain of causes no end. The outcome of a run has both, so each is cut where
//! it is taken from user code; a cut text says so.

use std::error::Error;
use std::fmt::{self, Display, Write};

/// The most bytes of a message.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The most bytes of a cause of an error.
pub const MAX_CAUSE: usize = 8 * 1024;

/// The most causes of an error that are kept. Another one says that there are more.
pub const MAX_CAUSES: usize = 32;

/// How many bytes of a text are read. A text that is longer may have no end.
const MAX_READ: u64 = 1024 * 1024 * 1024;

/// Space for the words that say how much was cut.
const NOTE: usize = 64;

/// A text of at most this many bytes, which are more than a hundred. A longer text is cut between characters, and
/// ends with the number of bytes that it had.
#[must_use]
pub fn cut(text: impl Display, max: usize) -> String {
    let mut writer = Writer { text: String::new(), bytes: 0, max };
    // An error is that of the text itself, or its length: what was written before counts.
    let _ = write!(writer, "{text}");
    writer.finish()
}

/// The texts of an error's causes, the nearest first, each of at most [`MAX_CAUSE`] bytes. After [`MAX_CAUSES`] of
/// them one says that there are more.
#[must_use]
pub fn causes(error: &dyn Error) -> Vec<String> {
    let sources = std::iter::successors(error.source(), |error| (*error).source());
    bounded_causes(sources)
}

/// The same for texts that were taken from an error already.
#[must_use]
pub fn bounded_causes<T: Display>(causes: impl IntoIterator<Item = T>) -> Vec<String> {
    let mut causes = causes.into_iter();
    let mut texts: Vec<_> =
        causes.by_ref().take(MAX_CAUSES).map(|cause| cut(cause, MAX_CAUSE)).collect();
    if causes.next().is_some() {
        texts.push("further causes are left out".to_owned());
    }
    texts
}

/// Keeps the beginning of a text, and counts the rest.
struct Writer {
    text: String,
    bytes: u64,
    max: usize,
}

impl Writer {
    fn finish(mut self) -> String {
        if self.bytes > self.max as u64 {
            self.text.truncate(boundary(&self.text, self.max.saturating_sub(NOTE)));
            let at_least = if self.bytes > MAX_READ { "more than " } else { "" };
            // A `String` can always be written to.
            let _ = write!(self.text, " … (cut: {at_least}{} bytes)", self.bytes.min(MAX_READ));
        }
        self.text
    }
}

impl Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let left = self.max - self.text.len();
        if self.bytes == self.text.len() as u64 {
            self.text.push_str(&text[..boundary(text, left)]);
        }
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        if self.bytes > MAX_READ { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The end of a text: whole characters, of at most this many bytes.
#[must_use]
pub fn end(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

/// The last boundary between characters that is not after this byte.
fn boundary(text: &str, byte: usize) -> usize {
    text.floor_char_boundary(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends() {
        for (bytes, expected) in [(0, ""), (2, ""), (3, "€"), (4, "n€"), (9, "n€")] {
            assert_eq!(end("n€", bytes), expected);
        }
    }

    #[test]
    fn texts_of_every_length() {
        let check = |text: &str, expected: &str| {
            let found = cut(text, 100);
            assert_eq!(found, expected);
            assert_eq!(cut(&found, 100), found, "it is cut twice");
        };
        check("", "");
        check(&"a".repeat(100), &"a".repeat(100));
        check(&"a".repeat(101), &format!("{} … (cut: 101 bytes)", "a".repeat(36)));
        check(&"ä".repeat(51), &format!("{} … (cut: 102 bytes)", "ä".repeat(18)));
        check(&format!("a{}", "ä".repeat(50)), &format!("a{} … (cut: 101 bytes)", "ä".repeat(17)));
    }

    /// Writes itself in pieces, without an end.
    struct Endless;

    impl Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let piece = "x".repeat(1024 * 1024);
            loop {
                f.write_str(&piece)?;
            }
        }
    }

    #[test]
    fn a_text_without_an_end() {
        let found = cut(Endless, 100);
        assert_eq!(found, format!("{} … (cut: more than {MAX_READ} bytes)", "x".repeat(36)));
    }

    #[test]
    fn texts_written_in_pieces_have_no_gap() {
        let found = cut(format_args!("{}{}{}", "a".repeat(99), "ää", "b"), 100);
        assert_eq!(found, format!("{} … (cut: 104 bytes)", "a".repeat(36)));
    }

    #[test]
    fn causes_are_bounded_once() {
        let long = bounded_causes(std::iter::repeat_n("c".repeat(10_000), 100));
        assert_eq!((long.len(), long[0].len() <= MAX_CAUSE), (MAX_CAUSES + 1, true));
        assert_eq!(bounded_causes(&long[..MAX_CAUSES]), long[..MAX_CAUSES]);
    }
}
