//! Words in lines of a limited width.

use super::columns::text_width;

/// Writes words after a label, and ends the line. Those that do not fit into this width in columns come below, under the
/// first.
///
/// ```
/// let mut text = String::new();
/// chutes_console::write_wrapped(&mut text, "name: ", "one two three", Some(14));
/// assert_eq!(text, "name: one two\n      three\n");
/// ```
pub fn write_wrapped(text: &mut String, label: &str, words: &str, width: Option<u16>) {
    let width = width.map_or(usize::MAX, usize::from);
    let indent = text_width(label);
    text.push_str(label);
    let mut column = indent;
    for (at, word) in words.split(' ').enumerate() {
        let word_width = text_width(word);
        if at > 0 && column + 1 + word_width > width {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if at > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word_width;
    }
    text.push('\n');
}
