//! How text from outside is shown in messages.

use std::fmt::{self, Write};

/// Shows a text on one line: control characters as escapes (`\n`, `\u{1b}`), all others as they are.
///
/// ```
/// assert_eq!(chutes_core::Escaped("it's\n").to_string(), "it's\\n");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(
    /// The text.
    pub &'a str,
);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| {
            if character.is_control() {
                write!(f, "{}", character.escape_default())
            } else {
                f.write_char(character)
            }
        })
    }
}
