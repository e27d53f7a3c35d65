//! The summary of a job: the first paragraph of its doc comment.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The first paragraph on one line, or an empty string.
pub(crate) fn summary(attributes: &[Attribute]) -> String {
    let mut words: Vec<String> = Vec::new();
    for text in attributes.iter().filter_map(doc_text) {
        for line in without_stars(&text) {
            match (line.is_empty(), words.is_empty()) {
                (true, true) => {}
                (true, false) => return words.join(" "),
                (false, _) => words.push(line.to_owned()),
            }
        }
        // A bare `///` is a line too, but `lines` gives none for it.
        if text.trim().is_empty() && !words.is_empty() {
            break;
        }
    }
    words.join(" ")
}

/// The lines of a doc comment, without the column of stars that block comments often have.
fn without_stars(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let has_stars =
        lines.len() > 1 && lines[1..].iter().all(|line| line.is_empty() || line.starts_with('*'));
    let stripped = |line| if has_stars { strip_star(line) } else { line };
    lines
        .iter()
        .enumerate()
        .map(|(at, line)| if at == 0 { *line } else { stripped(*line) })
        .collect()
}

fn strip_star(line: &str) -> &str {
    line.strip_prefix('*').map_or(line, str::trim)
}

fn doc_text(attribute: &Attribute) -> Option<String> {
    match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}
