//! `cargo xtask bless`: the present messages and expansions become the expected ones.

use anyhow::Result;

use crate::command::{cargo, run};
use crate::metadata;

/// Records all expectations anew.
pub(crate) fn run_all() -> Result<()> {
    let messages = "test --package chutes-compile-tests --locked";
    run(cargo(messages).env("TRYBUILD", "overwrite"))?;
    for package in metadata::packages()? {
        if package.dependencies.iter().any(|dependency| dependency.name == "insta") {
            let snapshots = format!("test --package {} --all-features --locked", package.name);
            run(cargo(&snapshots).env("INSTA_UPDATE", "always"))?;
        }
    }
    eprintln!("\nrecorded; `git diff` shows what has changed");
    Ok(())
}
