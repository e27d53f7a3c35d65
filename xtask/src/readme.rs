//! What `README.md` tells a newcomer to do, done word by word in an empty folder.

use std::fs::{self, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::command::{cargo, program, root, run, target};

/// The section whose blocks are followed.
const SECTION: &str = "## A job of your own";

/// Where a crate is built whose folder is gone afterwards, so that dependencies are built once.
const TARGET: &str = "readme";

/// A block of code of the page, or of a section of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The word behind the opening: the language.
    pub(crate) language: String,
    pub(crate) text: String,
}

/// The blocks of the section, in their order.
pub(crate) fn blocks() -> Result<Vec<Block>> {
    let page = fs::read_to_string(root().join("README.md")).context("no README.md")?;
    let blocks = blocks_of(section(&page, SECTION));
    ensure!(!blocks.is_empty(), "`README.md` has no section `{SECTION}` with blocks of code");
    Ok(blocks)
}

/// The text from this heading to the next one of its level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let begin = page.find(&format!("\n{heading}\n")).map_or(page.len(), |at| at + 1);
    let text = &page[begin..];
    text[heading.len().min(text.len())..].split("\n## ").next().unwrap_or_default()
}

fn blocks_of(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inner = lines.by_ref().take_while(|line| *line != "```");
            let text = inner.flat_map(|line| [line, "\n"]).collect();
            blocks.push(Block { language: language.to_owned(), text });
        }
    }
    blocks
}

/// A folder in which a copy of the repository is, and where a newcomer is by now. It is removed at the end.
pub(crate) struct Newcomer {
    folder: PathBuf,
    pub(crate) here: PathBuf,
    pub(crate) target: PathBuf,
}

impl Newcomer {
    /// Begins in an empty folder. It is outside of the repository, and always the same one for this copy of it, so that
    /// our crates are not built anew each time. The copy of the repository in it is a link.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is no run, which would have a directory for it"
    )]
    pub(crate) fn begin() -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        root().hash(&mut hasher);
        let folder = std::env::temp_dir().join(format!("chutes-readme-{:x}", hasher.finish()));
        let newcomer = Self { here: folder.clone(), folder, target: target().join(TARGET) };
        newcomer.leave();
        let folder = &newcomer.folder;
        fs::create_dir(folder).with_context(|| format!("`{}` cannot be made", folder.display()))?;
        std::os::unix::fs::symlink(root(), folder.join("chutes"))?;
        Ok(newcomer)
    }

    /// Removes the folder, if it is there.
    fn leave(&self) {
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// Does what a block shows: runs commands, or writes a file.
    pub(crate) fn follow(&mut self, block: &Block) -> Result<()> {
        match &*block.language {
            "sh" => block.text.lines().try_for_each(|line| self.type_in(line)),
            "toml" => self.add_dependencies(&block.text),
            "rust" => fs::write(self.here.join("src/main.rs"), &block.text)
                .context("`src/main.rs` cannot be written"),
            other => bail!("nobody knows what to do with a block of `{other}` in `{SECTION}`"),
        }
    }

    fn type_in(&mut self, line: &str) -> Result<()> {
        match line.strip_prefix("cd ") {
            Some(folder) => self.here.push(folder),
            None => run(&mut self.shell(line))?,
        }
        Ok(())
    }

    /// The lines are the last ones of the manifest.
    fn add_dependencies(&self, lines: &str) -> Result<()> {
        let path = self.here.join("Cargo.toml");
        let manifest = fs::read_to_string(&path).context("there is no new crate")?;
        let is_at_end = manifest.trim_end().ends_with("[dependencies]");
        ensure!(is_at_end, "`[dependencies]` is not at the end of a new manifest:\n{manifest}");
        OpenOptions::new().append(true).open(&path)?.write_all(lines.as_bytes())?;
        // The versions that the project is tested with, which are there already.
        fs::copy(root().join("Cargo.lock"), self.here.join("Cargo.lock"))?;
        Ok(())
    }

    /// A command that is typed where the newcomer is.
    pub(crate) fn shell(&self, line: &str) -> Command {
        shell(line, &self.here, &self.target)
    }

    /// The directory of the one run.
    fn run_directory(&self) -> Result<PathBuf> {
        let runs = self.here.join("runs");
        let mut entries = fs::read_dir(&runs).with_context(|| runs.display().to_string())?;
        let (first, second) = (entries.next(), entries.next());
        ensure!(second.is_none(), "there is more than one run in `{}`", runs.display());
        Ok(first.context("there is no run")??.path())
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Follows the section, and checks what is there then.
pub(crate) fn check() -> Result<()> {
    run(&mut fetch())?;
    let mut newcomer = Newcomer::begin()?;
    blocks()?.iter().try_for_each(|block| newcomer.follow(block))?;
    let directory = newcomer.run_directory()?;
    let outcome = read_json(&directory.join("outcome.json"))?;
    ensure!(outcome["status"] == "completed", "the run did not complete: {outcome}");
    let written = fs::read_to_string(directory.join("outputs/greeting.txt"))?;
    ensure!(outcome["result"] == *written, "`{written}` was written, but see: {outcome}");
    let manifest = read_json(&directory.join("manifest.json"))?;
    ensure!(manifest["files"][0]["path"] == "greeting.txt", "not in the manifest: {manifest}");
    Ok(())
}

/// Fetches what the commands need, because they work without a network then.
pub(crate) fn fetch() -> Command {
    cargo("fetch --locked")
}

/// What the step runs, to be shown.
pub(crate) fn commands() -> Result<Vec<Command>> {
    let blocks = blocks()?;
    let scripts = blocks.iter().filter(|block| block.language == "sh");
    let typed = scripts.flat_map(|block| block.text.lines());
    let typed = typed.map(|line| shell(line, &root(), &target().join(TARGET)));
    Ok(std::iter::once(fetch()).chain(typed).collect())
}

/// A command as it would be typed.
fn shell(line: &str, here: &Path, target: &Path) -> Command {
    let mut shell = program("sh", "-euc");
    shell.arg(line).current_dir(here).stdin(Stdio::null());
    shell.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true");
    // Less to write and to link; no other difference.
    shell.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
    shell
}

fn read_json(path: &Path) -> Result<Value> {
    let text = fs::read(path).with_context(|| path.display().to_string())?;
    serde_json::from_slice(&text).with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(language: &str, text: &str) -> Block {
        Block { language: language.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn sections_and_blocks() {
        let page = "# A\n\n```x\nno\n```\n\n## B\n\none\n\n```sh\na\nb\n```\n\n```rust\n\nc\n```\n### D\n\n\
                    ```\nd\n```\n\n## E\n\n```x\nno\n```\n";
        let expected = [block("sh", "a\nb\n"), block("rust", "\nc\n"), block("", "d\n")];
        assert_eq!(blocks_of(section(page, "## B")), expected);
        assert_eq!(blocks_of(section(page, "## C")), []);
    }

    /// So that what is read and what is tested do not differ.
    #[test]
    fn the_job_is_that_of_the_example() {
        let example = fs::read_to_string(root().join("examples/hello/src/main.rs")).unwrap();
        let blocks = blocks().unwrap();
        let job = blocks.iter().find(|block| block.language == "rust").unwrap();
        let code = example.split("\n#[cfg(test)]").next().unwrap();
        let code = code.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
        assert_eq!(code.collect::<Vec<_>>(), job.text.lines().collect::<Vec<_>>());
    }
}
