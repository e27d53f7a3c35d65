//! "Did you mean": the nearest of a few known words.
//!
//! ```
//! use chutes::contract::Protocol;
//! use chutes::text::suggest;
//!
//! let known = Protocol::ALL.map(Protocol::as_str);
//! assert_eq!(suggest::nearest("htpt", known), Some("http"));
//! ```

/// The candidate that `word` was probably meant to be, or `None` when nothing is near enough.
///
/// Near enough means at most one edit (insertion, deletion, substitution or swap of neighbours) for
/// every three characters of `word`, and at least one edit allowed. Of two equally near candidates
/// the first wins.
///
/// ```
/// use chutes::text::suggest::nearest;
///
/// assert_eq!(nearest("timout", ["ports", "timeout"]), Some("timeout"));
/// assert_eq!(nearest("gpu", ["ports", "timeout"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let limit = (length / 3).max(1);
    candidates
        .into_iter()
        // A word may have any length; the table is made only if it may be near enough.
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance, with three rows of the usual table.
fn edit_distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.chars().collect();
    let right: Vec<char> = right.chars().collect();
    let mut before_last = vec![0; right.len() + 1];
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (i, &from) in left.iter().enumerate() {
        let mut row = vec![i + 1; right.len() + 1];
        for (j, &to) in right.iter().enumerate() {
            let substituted = last[j] + usize::from(from != to);
            row[j + 1] = substituted.min(last[j + 1] + 1).min(row[j] + 1);
            let swapped = i > 0 && j > 0 && from == right[j - 1] && left[i - 1] == to;
            if swapped {
                row[j + 1] = row[j + 1].min(before_last[j - 1] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nearest_word() {
        let known = ["ports", "timeout", "upload", "ssh"];
        for (word, expected) in [
            ("timout", Some("timeout")),
            ("tiemout", Some("timeout")),
            ("port", Some("ports")),
            ("shs", Some("ssh")),
            ("uplaod", Some("upload")),
            ("retry", None),
            ("name", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }

    #[test]
    fn a_word_of_any_length_takes_no_time() {
        let begin = std::time::Instant::now();
        assert_eq!(nearest(&"n".repeat(10_000_000), ["ports", "timeout"]), None);
        assert!(begin.elapsed() < std::time::Duration::from_secs(10), "{:?}", begin.elapsed());
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_zero_only_for_equal_words(a in "[a-c]{0,5}", b in "[a-c]{0,5}") {
            prop_assert_eq!(edit_distance(&a, &b), edit_distance(&b, &a));
            prop_assert_eq!(edit_distance(&a, &b) == 0, a == b);
        }
    }
}
