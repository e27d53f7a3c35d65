//! Text in columns, for people.
//!
//! A table crate took most of the time of `list` (see `docs/benchmarks.md`), so the columns are
//! written here; the width of characters that are not ASCII comes from `console`.

use std::borrow::Cow;

/// Rows of cells, the first row being the header.
pub(super) struct Columns<const N: usize> {
    rows: Vec<[Cow<'static, str>; N]>,
    right: [bool; N],
}

/// What stands between two columns.
const GAP: usize = 2;

impl<const N: usize> Columns<N> {
    /// Columns with these headings, all of them aligned to the left.
    pub(super) fn new(header: [&'static str; N]) -> Self {
        Self { rows: vec![header.map(Cow::Borrowed)], right: [false; N] }
    }

    /// Aligns these columns to the right.
    pub(super) fn align_right(mut self, columns: &[usize]) -> Self {
        for (at, right) in self.right.iter_mut().enumerate() {
            *right = columns.contains(&at);
        }
        self
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [Cow<'static, str>; N]) {
        self.rows.push(cells);
    }

    /// One line for each row. With a width, lines that are longer end in `…`.
    pub(super) fn render(&self, width: Option<u16>) -> String {
        let mut widths = [0; N];
        for row in &self.rows {
            for (widest, cell) in widths.iter_mut().zip(row) {
                *widest = text_width(cell).max(*widest);
            }
        }
        let mut text = String::new();
        for row in &self.rows {
            let start = text.len();
            self.write_row(&mut text, row, &widths);
            text.truncate(text.trim_end_matches(' ').len());
            if let Some(width) = width.filter(|width| text_width(&text[start..]) > (*width).into())
            {
                let shorter = console::truncate_str(&text[start..], width.into(), "…").into_owned();
                text.replace_range(start.., &shorter);
            }
            text.push('\n');
        }
        text
    }

    fn write_row(&self, text: &mut String, row: &[Cow<'static, str>; N], widths: &[usize; N]) {
        for (at, cell) in row.iter().enumerate() {
            let padding = widths[at] - text_width(cell);
            let gap = if at == 0 { 0 } else { GAP };
            let (before, after) = if self.right[at] { (padding, 0) } else { (0, padding) };
            text.extend(std::iter::repeat_n(' ', gap + before));
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', after));
        }
    }
}

fn text_width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { console::measure_text_width(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> Columns<3> {
        let mut columns = Columns::new(["NAME", "SIZE", "STATE"]).align_right(&[1]);
        columns.row(["a".into(), "10 B".into(), "collected".into()]);
        columns.row(["größe".into(), "".into(), "".into()]);
        columns
    }

    #[test]
    fn aligned() {
        let expected = "NAME   SIZE  STATE\na      10 B  collected\ngröße\n";
        assert_eq!(columns().render(None), expected);
    }

    #[test]
    fn too_wide() {
        assert_eq!(columns().render(Some(10)), "NAME   SI…\na      10…\ngröße\n");
    }
}
