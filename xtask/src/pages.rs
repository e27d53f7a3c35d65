//! Pages of the documentation that name the test of each claim, or a source file. Each of them has to exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::command::root;
use crate::sources;

/// The pages with names of tests.
const PAGES: [&str; 3] = ["conformance.md", "lifecycle.md", "security.md"];

/// Folders with tests, besides `src/` of each crate.
const TEST_FOLDERS: [&str; 2] = ["tests/end_to_end", "tests/support/src"];

/// Folders with source files, besides crates.
const SOURCE_FOLDERS: [&str; 2] = ["examples", "tests"];

/// The folders of crates: those at the top of the repository, and those below `crates/`.
fn crates() -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for parent in [root(), root().join("crates")] {
        for entry in fs::read_dir(&parent).with_context(|| parent.display().to_string())? {
            let folder = entry?.path();
            if folder.join("src").is_dir() && folder.join("Cargo.toml").is_file() {
                found.push(folder);
            }
        }
    }
    Ok(found)
}

/// Modules of tests beside the code. They are left out of names.
const TESTS: &str = "tests";

/// All tests, and the modules that have some, by the names of their modules and their own.
fn names() -> Result<BTreeSet<Vec<String>>> {
    let mut names = BTreeSet::new();
    let of_crates = crates()?.into_iter().map(|folder| folder.join("src"));
    for folder in of_crates.chain(TEST_FOLDERS.map(|folder| root().join(folder))) {
        for file in sources::below(&folder)? {
            let text = fs::read_to_string(&file)?;
            let path = file.strip_prefix(&folder)?.with_extension("");
            let parts = path.iter().map(|part| part.to_string_lossy().into_owned());
            let module: Vec<String> = parts.filter(|part| part != TESTS).collect();
            for test in tests_in(&text) {
                names.insert(module.clone());
                names.insert([&module[..], &[test.to_owned()]].concat());
            }
        }
    }
    Ok(names)
}

/// The functions that are marked as tests.
fn tests_in(text: &str) -> Vec<&str> {
    let mut is_marked = false;
    let mut tests = Vec::new();
    for line in text.lines().map(str::trim) {
        let is_mark = line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let head = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        match head.and_then(|head| head.split_once('(')) {
            Some((name, _)) if is_marked => {
                tests.push(name);
                is_marked = false;
            }
            _ => is_marked |= is_mark,
        }
    }
    tests
}

/// The texts in backticks that are names of tests: modules and a function.
fn references(page: &str) -> Vec<Vec<String>> {
    let is_word = |word: &str| {
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        !word.is_empty() && word.bytes().all(is_part)
    };
    let is_reference = |text: &&str| text.contains("::") && text.split("::").all(is_word);
    let split = |text: &str| {
        text.split("::").filter(|word| *word != TESTS).map(str::to_owned).collect::<Vec<_>>()
    };
    in_backticks(page).filter(is_reference).map(split).collect()
}

fn in_backticks(page: &str) -> impl Iterator<Item = &str> {
    page.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The texts in backticks that are the path of one source file, or its end.
fn sources_named_in(page: &str) -> impl Iterator<Item = &str> {
    let is_path = |text: &&str| !text.contains(['*', ' ']);
    in_backticks(page).filter(is_path).filter(|text| sources::is_source(Path::new(text)))
}

#[test]
fn tests_that_pages_name_exist() {
    let names = names().unwrap();
    for page in PAGES {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        let references = references(&text);
        assert!(references.len() > 20, "{page} names only {} tests", references.len());
        let is_unknown = |one: &&Vec<String>| !names.iter().any(|name| name.ends_with(one));
        let unknown: Vec<_> = references.iter().filter(is_unknown).collect();
        assert!(unknown.is_empty(), "`docs/{page}` names tests that do not exist: {unknown:#?}");
    }
}

#[test]
fn sources_that_pages_name_exist() {
    let folders = crates().unwrap().into_iter();
    let folders = folders.chain(SOURCE_FOLDERS.map(|folder| root().join(folder)));
    let files: Vec<PathBuf> = folders.flat_map(|folder| sources::below(&folder).unwrap()).collect();
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for page in pages.chain(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name))) {
        let text = fs::read_to_string(&page).unwrap_or_default();
        let unknown: Vec<_> = sources_named_in(&text)
            .filter(|name| !files.iter().any(|file| file.ends_with(name)))
            .collect();
        assert!(
            unknown.is_empty(),
            "{} names files that do not exist: {unknown:?}",
            page.display()
        );
    }
}

#[test]
fn names_are_found() {
    let page = "| a | `one::two`, `not this`, `Type::new`, `a::tests::b_2` | `one` |\n`call::it()`";
    assert_eq!(references(page), [["one", "two"], ["a", "b_2"]]);
    let page = "`a/b.rs` c.rs `d.rs` `*.rs`";
    assert_eq!(sources_named_in(page).collect::<Vec<_>>(), ["a/b.rs", "d.rs"]);
    let code = "#[test]\n#[cfg(x)]\nasync fn one() {}\nfn two() {}\n#[tokio::test(a = b)]\nfn three(c: u8) {";
    assert_eq!(tests_in(code), ["one", "three"]);
}
