//! Text in columns, for tables on a terminal.
//!
//! A table crate took most of the time of `list` (see `docs/benchmarks.md`), so the layout is implemented here; the
//! width of characters that are not ASCII comes from `console`.

use std::borrow::Cow;

/// The cells of one row.
pub type Row<'a, const N: usize> = [Cow<'a, str>; N];

/// Text in columns, for a table on a terminal.
///
/// ```
/// use chutes_console::Columns;
///
/// let columns = Columns::new(["FILE", "BYTES"]).align_right(&[1]);
/// let rows = [("a.txt", "7"), ("b.txt", "1200")];
/// let text = columns.render(None, || rows.iter().map(|(name, size)| [(*name).into(), (*size).into()]));
/// assert_eq!(text, "FILE   BYTES\na.txt      7\nb.txt   1200\n");
/// ```
#[derive(Debug)]
pub struct Columns<const N: usize> {
    header: [&'static str; N],
    right: [bool; N],
}

/// The number of spaces between two columns.
const GAP: usize = 2;

impl<const N: usize> Columns<N> {
    /// Columns with these headings, all of them aligned to the left.
    #[must_use]
    pub const fn new(header: [&'static str; N]) -> Self {
        Self { header, right: [false; N] }
    }

    /// Aligns these columns, counted from 0, to the right.
    #[must_use]
    pub fn align_right(mut self, columns: &[usize]) -> Self {
        for (at, right) in self.right.iter_mut().enumerate() {
            *right = columns.contains(&at);
        }
        self
    }

    /// One line for the header and one for each row. With a width in columns of the terminal, the longest texts are cut
    /// and end in `…`, so that each column can be seen; columns that are aligned to the right are numbers and are kept.
    ///
    /// `rows` is called twice, once for the widths and once for the text, because creating the rows again is cheaper
    /// than storing them.
    pub fn render<'a, I>(&self, width: Option<u16>, rows: impl Fn() -> I) -> String
    where
        I: Iterator<Item = Row<'a, N>>,
    {
        let header = || std::iter::once(self.header.map(Cow::Borrowed));
        let (mut widths, mut lines) = ([0; N], 0);
        for row in header().chain(rows()) {
            lines += 1;
            for (widest, cell) in widths.iter_mut().zip(&row) {
                *widest = text_width(cell).max(*widest);
            }
        }
        if let Some(width) = width {
            self.fit(&mut widths, width.into());
        }
        let longest_line = widths.iter().sum::<usize>() + GAP * N;
        let mut text = String::with_capacity(longest_line * lines);
        for row in header().chain(rows()) {
            let start = text.len();
            self.write_row(&mut text, &row, &widths);
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

    /// Takes width from the widest columns until all fit, but no more than their headings need.
    fn fit(&self, widths: &mut [usize; N], width: usize) {
        let mut excess = (widths.iter().sum::<usize>() + GAP * (N - 1)).saturating_sub(width);
        while excess > 0 {
            let can_shrink = |at: &usize| !self.right[*at] && widths[*at] > self.header[*at].len();
            let Some(at) = (0..N).filter(can_shrink).max_by_key(|at| widths[*at]) else { return };
            widths[at] -= 1;
            excess -= 1;
        }
    }

    fn write_row(&self, text: &mut String, row: &Row<'_, N>, widths: &[usize; N]) {
        for (at, cell) in row.iter().enumerate() {
            let cell = if text_width(cell) > widths[at] {
                console::truncate_str(cell, widths[at], "…")
            } else {
                Cow::Borrowed(&**cell)
            };
            let padding = widths[at] - text_width(&cell);
            let gap = if at == 0 { 0 } else { GAP };
            let (before, after) = if self.right[at] { (padding, 0) } else { (0, padding) };
            text.extend(std::iter::repeat_n(' ', gap + before));
            text.push_str(&cell);
            text.extend(std::iter::repeat_n(' ', after));
        }
    }
}

/// The width in columns that a text has on a terminal.
pub(super) fn text_width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { console::measure_text_width(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(width: Option<u16>, expected: &str) {
        let columns = Columns::new(["NAME", "SIZE", "STATE"]).align_right(&[1]);
        let rows = [["a", "10 B", "collected"], ["größe", "", ""]];
        let text = columns.render(width, || rows.iter().map(|row| row.map(Cow::Borrowed)));
        assert_eq!(text, expected);
    }

    #[test]
    fn aligned() {
        check(None, "NAME   SIZE  STATE\na      10 B  collected\ngröße\n");
    }

    #[test]
    fn too_wide() {
        check(Some(21), "NAME   SIZE  STATE\na      10 B  collect…\ngröße\n");
        check(Some(17), "NAME  SIZE  STATE\na     10 B  coll…\ngrö…\n");
        // Not even the headings fit.
        check(Some(10), "NAME  SIZ…\na     10 …\ngrö…\n");
    }

    /// A long name does not hide what comes after it.
    #[test]
    fn long_texts() {
        let columns = Columns::new(["OUTPUT", "SIZE", "STATE"]).align_right(&[1]);
        let (name, reason) = ("n".repeat(200), "r".repeat(9));
        let rows = [[name.as_str(), "10 B", reason.as_str()]];
        let text = columns.render(Some(40), || rows.iter().map(|row| row.map(Cow::Borrowed)));
        let expected = format!("{}…  10 B  {reason}", "n".repeat(22));
        assert_eq!(text.lines().nth(1), Some(&*expected));
    }
}
