//! Text in columns, for tables on a terminal.
//!
//! A table crate took most of the time of `list` (see `docs/benchmarks.md`), so the layout is implemented here; the
//! width of characters that are not ASCII comes from `console`.

use std::borrow::Cow;

use super::wrap::write_wrapped;

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
    wraps_last: bool,
}

/// The number of spaces between two columns.
const GAP: usize = 2;

/// The least width of a column that is wrapped, and the indent of its texts where there is not so much.
const LEAST_WRAPPED: usize = 24;
const INDENT: &str = "    ";

impl<const N: usize> Columns<N> {
    /// Columns with these headings, all of them aligned to the left.
    #[must_use]
    pub const fn new(header: [&'static str; N]) -> Self {
        Self { header, right: [false; N], wraps_last: false }
    }

    /// Aligns these columns, counted from 0, to the right.
    #[must_use]
    pub fn align_right(mut self, columns: &[usize]) -> Self {
        for (at, right) in self.right.iter_mut().enumerate() {
            *right = columns.contains(&at);
        }
        self
    }

    /// Wraps the texts of the last column instead of cutting any. Where the others leave too little space, each text comes
    /// below its row.
    ///
    /// ```
    /// use chutes_console::Columns;
    ///
    /// let columns = Columns::new(["NAME", "MEANING"]).wrap_last();
    /// let text = columns.render(Some(32), || [["a".into(), "What the name stands for here".into()]].into_iter());
    /// assert_eq!(text, "NAME  MEANING\na     What the name stands for\n      here\n");
    /// ```
    #[must_use]
    pub fn wrap_last(mut self) -> Self {
        self.wraps_last = true;
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
        if self.wraps_last {
            return self.render_wrapped(width, widths, header().chain(rows()));
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

    fn render_wrapped<'a>(
        &self,
        width: Option<u16>,
        mut widths: [usize; N],
        rows: impl Iterator<Item = Row<'a, N>>,
    ) -> String {
        let beside = widths.iter().take(N - 1).sum::<usize>() + GAP * (N - 1);
        let has_space = width.is_none_or(|width| beside + LEAST_WRAPPED <= width.into());
        if let Some(width) = width.filter(|_| !has_space) {
            // The last column is below the others, which are cut when they do not fit, either.
            widths[N - 1] = 0;
            self.fit(&mut widths, usize::from(width) + GAP);
        }
        let mut text = String::new();
        for mut row in rows {
            let last = std::mem::take(&mut row[N - 1]);
            let mut label = String::new();
            self.write_row(&mut label, &row, &widths);
            label.truncate(label.trim_end_matches(' ').len());
            if has_space && !last.is_empty() {
                let padding = beside.saturating_sub(text_width(&label));
                label.extend(std::iter::repeat_n(' ', padding));
                write_wrapped(&mut text, &label, &last, width);
                continue;
            }
            text.push_str(&label);
            text.push('\n');
            if !last.is_empty() {
                write_wrapped(&mut text, INDENT, &last, width);
            }
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

    #[test]
    fn wrapped() {
        let columns = Columns::new(["NAME", "SIZE", "MEANING"]).wrap_last();
        let rows = [["größe", "1", "What it is, in more than a few words"], ["b", "", ""]];
        let render =
            |width| columns.render(width, || rows.iter().map(|row| row.map(Cow::Borrowed)));
        let wide = "NAME   SIZE  MEANING\ngröße  1     What it is, in more than\n             a few words\nb\n";
        assert_eq!(render(Some(38)), wide);
        let narrow = "NAME   SIZE\n    MEANING\ngröße  1\n    What it is, in more than a\n    few words\nb\n";
        assert_eq!(render(Some(30)), narrow);
        let narrowest = render(Some(10));
        assert!(narrowest.starts_with("NAME  SIZE\n    MEANING\ngrö…  1\n"), "{narrowest}");
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
