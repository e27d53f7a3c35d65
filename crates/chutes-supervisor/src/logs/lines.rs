//! Cuts chunks of bytes into lines of text.

/// A line that is longer than this is emitted in pieces, in bytes. It bounds the memory of events that wait for followers: 8,192
/// of them.
const LONGEST: usize = 8 * 1024;

/// How many bytes of the end of the text are kept: enough for a full backtrace, which is about 20 KiB long, and the message
/// of the panic above it.
const TAIL: usize = 64 * 1024;

/// Cuts the output of a process into lines, wherever its chunks end, and keeps the end of it.
///
/// A line ends with `\n` or `\r\n`. Bytes that are not UTF-8 are replaced.
#[derive(Debug)]
pub struct Lines {
    longest: usize,
    pending: Vec<u8>,
    /// Whether a piece of the pending line was emitted already.
    continued: bool,
    tail: Vec<u8>,
}

impl Default for Lines {
    fn default() -> Self {
        Self::with_longest(LONGEST)
    }
}

impl Lines {
    fn with_longest(longest: usize) -> Self {
        Self { longest, pending: Vec::new(), continued: false, tail: Vec::new() }
    }

    /// Takes a chunk and emits the lines that it completes.
    pub fn push(&mut self, chunk: &[u8], mut emit: impl FnMut(String)) {
        self.remember(chunk);
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(text) => {
                    self.extend(text, &mut emit);
                    self.end(&mut emit);
                }
                None => self.extend(part, &mut emit),
            }
        }
    }

    /// Emits the last line, if it has no end.
    pub fn finish(&mut self, mut emit: impl FnMut(String)) {
        if !self.pending.is_empty() {
            self.end(&mut emit);
        }
    }

    /// The last 64 KiB of the text.
    #[must_use]
    pub fn tail(&self) -> String {
        let tail = &self.tail[self.tail.len().saturating_sub(TAIL)..];
        // The first character may be incomplete.
        let is_inside = |byte: &u8| byte & 0b1100_0000 == 0b1000_0000;
        let inside = tail.iter().take(3).take_while(|byte| is_inside(byte)).count();
        String::from_utf8_lossy(&tail[inside..]).into_owned()
    }

    fn remember(&mut self, chunk: &[u8]) {
        let chunk = &chunk[chunk.len().saturating_sub(TAIL)..];
        self.tail.extend_from_slice(chunk);
        // The buffer may grow to twice its size, so that not every small chunk moves all of it.
        if self.tail.len() > 2 * TAIL {
            self.tail.drain(..self.tail.len() - TAIL);
        }
    }

    fn extend(&mut self, mut text: &[u8], emit: &mut impl FnMut(String)) {
        while !text.is_empty() {
            let (now, later) = text.split_at(text.len().min(self.longest - self.pending.len()));
            self.pending.extend_from_slice(now);
            text = later;
            if self.pending.len() == self.longest {
                self.emit_piece(emit);
            }
        }
    }

    fn emit_piece(&mut self, emit: &mut impl FnMut(String)) {
        let piece = self.pending.len() - unfinished(&self.pending);
        emit(String::from_utf8_lossy(&self.pending[..piece]).into_owned());
        self.pending.drain(..piece);
        self.continued = true;
    }

    fn end(&mut self, emit: &mut impl FnMut(String)) {
        let line = self.pending.strip_suffix(b"\r").unwrap_or(&self.pending);
        // A line that ended exactly with a piece has been emitted completely.
        if !(self.continued && line.is_empty()) {
            emit(String::from_utf8_lossy(line).into_owned());
        }
        self.pending.clear();
        self.continued = false;
    }
}

/// The length of an incomplete sequence at the end: the beginning of a character, or a `\r` that may be part of
/// `\r\n`.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r") {
        return 1;
    }
    let end = &bytes[bytes.len().saturating_sub(3)..];
    let last = end.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let is_cut = std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    if is_cut { last.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines of at most 8 bytes.
    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut found) = (Lines::with_longest(8), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| found.push(line));
        }
        lines.finish(|line| found.push(line));
        found
    }

    #[test]
    fn ends_of_lines() {
        #[track_caller]
        fn check(chunks: &[&[u8]], expected: &[&str]) {
            assert_eq!(lines(chunks), expected);
        }
        check(&[], &[]);
        check(&[b"a\nb"], &["a", "b"]);
        check(&[b"a", b"\n", b"\n"], &["a", ""]);
        check(&[b"a\r", b"\nb\rc\r\n"], &["a", "b\rc"]);
        check(&["ä".as_bytes(), b"\xc3", b"\xa4\n"], &["ää"]);
        check(&[b"\xff\xc3\n\xc3"], &["\u{fffd}\u{fffd}", "\u{fffd}"]);
        check(&[b"12345678\n9"], &["12345678", "9"]);
        check(&[b"12345678\r\n9"], &["12345678", "9"]);
        check(&[b"1234567\r\n9"], &["1234567", "9"]);
        check(&[b"123456789\n"], &["12345678", "9"]);
        check(&["123456€789".as_bytes()], &["123456", "€789"]);
    }

    #[test]
    fn long_lines_come_in_pieces_of_8_kib() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        lines.push(&vec![b'x'; 200_000], |line| found.push(line.len()));
        assert_eq!(found, [8_192; 24]);
        lines.push(b"\n", |line| found.push(line.len()));
        assert_eq!((found.len(), found.last()), (25, Some(&(200_000 - 24 * 8_192))));
    }

    #[test]
    fn the_end_of_the_text_is_remembered() {
        let mut lines = Lines::default();
        assert_eq!(lines.tail(), "");
        lines.push(b"short\n", |_| ());
        assert_eq!(lines.tail(), "short\n");
        lines.push(&vec![b'x'; 65_536], |_| ());
        assert_eq!(lines.tail(), "x".repeat(65_536));
        lines.push("€".repeat(65_536).as_bytes(), |_| ());
        assert_eq!(lines.tail(), "€".repeat(65_536 / 3));
    }

    fn chunks() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let byte = prop_oneof![any::<u8>(), Just(b'\n'), Just(b'\r'), Just(0xe2), Just(0x82)];
        proptest::collection::vec(proptest::collection::vec(byte, 0..20), 0..20)
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_chunks(chunks in chunks()) {
            let text = chunks.concat();
            let parts: Vec<_> = chunks.iter().map(Vec::as_slice).collect();
            let bytes: Vec<_> = text.chunks(1).collect();
            let whole = lines(&[&text]);
            prop_assert_eq!(lines(&parts), &whole[..]);
            prop_assert_eq!(lines(&bytes), &whole[..]);
            prop_assert!(whole.iter().all(|line| line.chars().count() <= 8));
            // No byte is lost or added, apart from line endings.
            let without_ends = |text: &str| text.replace(['\r', '\n'], "");
            prop_assert_eq!(without_ends(&whole.concat()), without_ends(&String::from_utf8_lossy(&text)));
        }

        #[test]
        fn tails_do_not_depend_on_chunks(sizes in proptest::collection::vec(0..100_000_usize, 0..8)) {
            let text = "€ä\n".repeat(100_000).into_bytes();
            let text = &text[..sizes.iter().sum::<usize>().min(text.len())];
            let (mut lines, mut whole) = (Lines::default(), Lines::default());
            let mut rest = text;
            for size in sizes {
                let (chunk, later) = rest.split_at(size.min(rest.len()));
                lines.push(chunk, |_| ());
                rest = later;
                prop_assert!(lines.tail.len() <= 2 * TAIL);
            }
            whole.push(text, |_| ());
            prop_assert_eq!(lines.tail(), whole.tail());
            prop_assert!(String::from_utf8_lossy(text).ends_with(&lines.tail()));
            prop_assert!(lines.tail().len() + 6 > text.len().min(TAIL));
        }
    }
}
