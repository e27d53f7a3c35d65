//! What is on the screen of a terminal after a program has written to it.

/// The lines of an endlessly high screen of this width, without blanks at their ends and without empty lines at the end.
///
/// It knows what progress bars use: moves of the cursor, removal of lines, and lines that are longer than the screen is
/// wide. Each character is one column wide. Colours and other control sequences have no effect.
pub fn lines(written: &str, width: usize) -> Vec<String> {
    let mut screen = Screen { width, lines: Vec::new(), row: 0, column: 0 };
    let mut rest = written;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        match character {
            '\r' => screen.column = 0,
            '\n' => screen.row += 1,
            '\u{1b}' if rest.starts_with('[') => {
                let end = rest[1..].find(|c: char| c.is_ascii_alphabetic());
                let Some(end) = end.map(|end| end + 1) else { break };
                let number = rest[1..end].parse().ok();
                screen.control(rest.as_bytes()[end], number);
                rest = &rest[end + 1..];
            }
            character if character.is_control() => {}
            character => screen.put(character),
        }
    }
    screen.shown()
}

struct Screen {
    width: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
}

impl Screen {
    /// The line of the cursor.
    fn line(&mut self) -> &mut Vec<char> {
        if self.lines.len() <= self.row {
            self.lines.resize_with(self.row + 1, Vec::new);
        }
        &mut self.lines[self.row]
    }

    /// A character that does not fit any more is the first of the next line.
    fn put(&mut self, character: char) {
        if self.column == self.width {
            (self.row, self.column) = (self.row + 1, 0);
        }
        let column = self.column;
        let line = self.line();
        if line.len() <= column {
            line.resize(column + 1, ' ');
        }
        line[column] = character;
        self.column += 1;
    }

    fn control(&mut self, letter: u8, number: Option<usize>) {
        let count = number.unwrap_or(1).max(1);
        let column = self.column;
        match (letter, number.unwrap_or(0)) {
            (b'A' | b'F', _) => self.row = self.row.saturating_sub(count),
            (b'B' | b'E', _) => self.row += count,
            (b'C', _) => self.column = (self.column + count).min(self.width - 1),
            (b'D', _) => self.column = self.column.min(self.width - 1).saturating_sub(count),
            (b'G', _) => self.column = count - 1,
            (b'K', 0) => self.line().truncate(column),
            (b'K', 2) => self.line().clear(),
            (b'J', 0) => {
                self.line().truncate(column);
                self.lines.truncate(self.row + 1);
            }
            (b'K' | b'J' | b'H', _) => panic!("`{}` is not known here", char::from(letter)),
            _ => {}
        }
        if matches!(letter, b'E' | b'F') {
            self.column = 0;
        }
    }

    fn shown(self) -> Vec<String> {
        let text = |line: Vec<char>| line.into_iter().collect::<String>().trim_end().to_owned();
        let mut lines: Vec<String> = self.lines.into_iter().map(text).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn bars_and_lines() {
        let check = |written: &str, expected: &[&str]| assert_eq!(lines(written, 5), expected);
        check("one\r\ntwo\r\n", &["one", "two"]);
        check("bar 1\r\u{1b}[2Kbar 2", &["bar 2"]);
        check("bar 1\r\u{1b}[2Kline\r\nbar 1\r\u{1b}[2K", &["line"]);
        // A bar that is wider than the screen takes two lines, of which one stays.
        check("bar 123\r\u{1b}[2K", &["bar 1"]);
        check("bar 123\r\u{1b}[2K\u{1b}[1A\r\u{1b}[2K", &[]);
        check("12345\r\n6", &["12345", "6"]);
        check("\u{1b}[31mred\u{1b}[0m\u{1b}[?25l", &["red"]);
        check("a\r\nb\r\n\u{1b}[2A\u{1b}[J", &[]);
    }
}
