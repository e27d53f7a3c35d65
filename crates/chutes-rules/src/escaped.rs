//! Text from outside in messages.

use std::fmt::{self, Write};

/// Shows a text on one line, and in the order in which it is written: characters that end a line, control
/// the terminal or change the direction of writing as escapes (`\n`, `\u{1b}`), all others as they are.
///
/// ```
/// assert_eq!(chutes::text::Escaped("it's\n").to_string(), "it's\\n");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(
    /// The text.
    pub &'a str,
);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| {
            if is_harmful(character) {
                write!(f, "{}", character.escape_default())
            } else {
                f.write_char(character)
            }
        })
    }
}

/// Unicode has characters besides those of its class "control" that end a line, and others after which a
/// text is shown in another order than the one in which it is read.
fn is_harmful(character: char) -> bool {
    let changes_direction = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') || changes_direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_on_one_line_in_its_order() {
        let check = |text, expected: &str| assert_eq!(Escaped(text).to_string(), expected);
        check("it's \"ä\" – 日本 עברית", "it's \"ä\" – 日本 עברית");
        check("a\x1b[2J\r\n\x7f\u{9b}", "a\\u{1b}[2J\\r\\n\\u{7f}\\u{9b}");
        check("gpj.\u{202e}exe\u{2066}\u{200f}", "gpj.\\u{202e}exe\\u{2066}\\u{200f}");
        check("one\u{2028}two", "one\\u{2028}two");
    }
}
