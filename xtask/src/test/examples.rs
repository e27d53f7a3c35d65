//! Examples in the documentation import the facade and none of the crates behind it, because their readers depend
//! on the facade alone: what they copy has to compile.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::direction::{FACADE, SHOWN};
use crate::command::root;
use crate::metadata::Package;
use crate::sources;

/// How the names of the crates behind the facade begin.
const PREFIX: &str = "chutes_";

/// The words behind the opening of an example that leave it an example in Rust.
const RUST: [&str; 7] = [
    "rust",
    "no_run",
    "ignore",
    "should_panic",
    "compile_fail",
    "standalone_crate",
    "test_harness",
];

/// Every name of another crate of ours in an example, with its place.
pub(super) fn problems(packages: &[Package]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for file in files(packages)? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let place = file.strip_prefix(root())?.display();
        let names = if sources::is_source(&file) { in_comments(&text) } else { in_page(&text) };
        let problem =
            |(line, name)| format!("{place}:{line}: an example names `{name}`, not `{FACADE}`");
        problems.extend(names.into_iter().map(problem));
    }
    Ok(problems)
}

/// The sources of the facade and of the crates that it shows, and the pages of the documentation.
fn files(packages: &[Package]) -> Result<Vec<PathBuf>> {
    let mut files = vec![root().join("README.md")];
    files.extend(pages_below(&root().join("docs"))?);
    let is_shown = |package: &&Package| SHOWN.contains(&&*package.name) || package.name == FACADE;
    for package in packages.iter().filter(is_shown) {
        let folder = package.folder().join("src");
        files.extend(sources::below(&folder)?);
        files.extend(pages_below(&folder)?);
    }
    Ok(files)
}

fn pages_below(folder: &Path) -> Result<Vec<PathBuf>> {
    sources::with_extension(folder, "md")
}

/// The names in the examples of a page, with the numbers of their lines.
fn in_page(text: &str) -> Vec<(usize, String)> {
    names(text.lines().map(Some))
}

/// The names in the examples of the documentation comments of a source file.
fn in_comments(text: &str) -> Vec<(usize, String)> {
    let comment = |line| {
        let line = str::trim_start(line);
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!"))
    };
    names(text.lines().map(comment))
}

/// The names in examples. `None` is a line between two texts.
fn names<'a>(lines: impl Iterator<Item = Option<&'a str>>) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // Whether the line is in an example, and whether the example is in Rust.
    let mut example = None;
    for (number, line) in (1..).zip(lines) {
        let Some(line) = line else {
            example = None;
            continue;
        };
        match (line.trim_start().strip_prefix("```"), example) {
            (Some(words), None) => example = Some(is_rust(words)),
            (Some(_), Some(_)) => example = None,
            (None, Some(true)) => {
                found.extend(crates_in(line).map(|name| (number, name.to_owned())));
            }
            (None, _) => {}
        }
    }
    found
}

fn is_rust(words: &str) -> bool {
    words.split(',').map(str::trim).all(|word| word.is_empty() || RUST.contains(&word))
}

fn crates_in(code: &str) -> impl Iterator<Item = &str> {
    let words = code.split(|letter: char| letter != '_' && !letter.is_alphanumeric());
    words.filter(|word| word.starts_with(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(found: Vec<(usize, String)>) -> Vec<usize> {
        found.into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn names_in_comments() {
        let check = |text: &str, expected: &[usize]| {
            assert_eq!(lines(in_comments(text)), expected, "{text}");
        };
        check("/// ```\n/// use chutes::spec::JobSpec;\n/// ```", &[]);
        check("/// ```\n/// use chutes_core::JobSpec;\n/// ```", &[2]);
        check("    //! ```no_run\n    //! # use a;\n    //! # use chutes_rules::rule;", &[3]);
        check("/// ```rust,should_panic\n/// #[chutes_runtime::job]\n/// ```", &[2]);
        check("/// ```text\n/// chutes_core\n/// ```\n/// [`a`](chutes_core::A)", &[]);
        check("/// ```\n/// ```\nuse chutes_core::Json;\n// chutes_core", &[]);
        check("/// ```\nfn torn() {}\n/// chutes_core", &[]);
        check("/// ```\n/// use my_chutes_core::it;\n/// ```", &[]);
    }

    #[test]
    fn names_in_pages() {
        let page =
            "`chutes_core` is\n```rust\nuse chutes_core::Json;\n```\n\n```sh\nchutes_core\n```\n";
        assert_eq!(in_page(page), [(3, "chutes_core".to_owned())]);
    }
}
