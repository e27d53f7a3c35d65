//! The places in the code that depend on a feature. Each of them makes one more variant of the program that has to
//! work, so their number is bounded.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::command::root;
use crate::sources;

/// The most places in all crates together.
const BOUND: usize = 30;

/// Folders that are left out: what cargo builds, and the source of this program, which has no features.
const LEFT_OUT: [&str; 2] = ["target", "xtask"];

/// What begins a condition.
const CONDITIONS: [&str; 3] = ["cfg(", "cfg!(", "cfg_attr("];

/// Fails when there are more places than allowed.
pub(super) fn check() -> Result<()> {
    let counts = counts(&root())?;
    let sum: usize = counts.values().sum();
    if sum > BOUND {
        let lines = counts.iter().map(|(folder, count)| format!("{count:>6}  {folder}"));
        let lines: Vec<String> = lines.collect();
        bail!("{sum} places depend on a feature; at most {BOUND} may:\n{}", lines.join("\n"));
    }
    eprintln!("    {sum} places depend on a feature; at most {BOUND} may");
    Ok(())
}

/// The number of places by the folder of their crate.
fn counts(root: &Path) -> Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for file in files(root)? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let count = sites(&text);
        if count > 0 {
            let path = file.strip_prefix(root)?;
            let folder = path.iter().take_while(|part| *part != "src").collect::<PathBuf>();
            *counts.entry(folder.display().to_string()).or_default() += count;
        }
    }
    Ok(counts)
}

/// All source files of the repository but those that are left out.
fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(root).with_context(|| root.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !name.starts_with('.') && !LEFT_OUT.contains(&name.as_str()) {
            files.extend(sources::below(&path)?);
        }
    }
    Ok(files)
}

/// The conditions in a text that name a feature.
fn sites(text: &str) -> usize {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let (mut count, mut rest) = (0, code.as_str());
    while let Some(begin) = next_condition(rest) {
        let condition = in_parentheses(&rest[begin..]);
        count += usize::from(names_a_feature(condition));
        rest = &rest[begin + condition.len()..];
    }
    count
}

/// Where the content of the next condition begins.
fn next_condition(code: &str) -> Option<usize> {
    CONDITIONS.iter().filter_map(|one| code.find(one).map(|at| at + one.len())).min()
}

/// The text up to the parenthesis that closes it.
fn in_parentheses(text: &str) -> &str {
    let mut depth = 1_usize;
    let end = text.find(|letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    &text[..end.unwrap_or(text.len())]
}

fn names_a_feature(condition: &str) -> bool {
    condition.match_indices("feature").any(|(at, word)| {
        let is_whole =
            !condition[..at].ends_with(|letter: char| letter == '_' || letter.is_alphanumeric());
        is_whole && condition[at + word.len()..].trim_start().starts_with('=')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_counted() {
        let check = |code: &str, expected: usize| assert_eq!(sites(code), expected, "{code}");
        check("fn main() {}", 0);
        check("#[cfg(test)]\nmod tests;", 0);
        check("#[cfg(feature = \"ssh\")]\nmod ssh;", 1);
        check(
            "#[cfg(any(feature=\"a\", all(unix, not(feature = \"b\"))))]\n#[cfg(feature = \"c\")]",
            2,
        );
        check(
            "#[cfg_attr(\n    not(feature = \"ssh\"),\n    path = \"absent.rs\"\n)]\nmod ssh;",
            1,
        );
        check("if cfg!(feature = \"ssh\") { return features(); }", 1);
        check("// #[cfg(feature = \"ssh\")]\n/// #[cfg(feature = \"ssh\")]", 0);
        check("#[cfg(target_feature = \"avx\")]", 0);
        check("#[cfg(feature = \"torn", 1);
    }
}
