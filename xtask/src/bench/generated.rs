//! A job binary of one source file, as a user would build it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::command::{program, root, run};

/// How it is built.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Without optimisation, as by `cargo run`.
    Dev,
    Release,
}

/// The dependency of a crate with the default features of `chutes`.
pub(crate) const DEFAULT: &str = "chutes.path = \"../../chutes\"";

/// Writes the crate to a folder of this name below `target/`, builds it, and returns the binary.
pub(crate) fn build(
    name: &str,
    dependencies: &str,
    source: &str,
    profile: Profile,
) -> Result<PathBuf> {
    let target = root().join("target");
    let folder = target.join(name);
    let manifest = format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\n{dependencies}\n\n[workspace]\n"
    );
    // The versions of the dependencies are those that the project is tested with.
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("no Cargo.lock")?;
    for (file, text) in [("Cargo.toml", &*manifest), ("Cargo.lock", &lock), ("src/main.rs", source)]
    {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap_or(&folder))
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    let (line, built) = match profile {
        Profile::Dev => ("build", "debug"),
        Profile::Release => ("build --release", "release"),
    };
    let mut cargo = program("cargo", line);
    run(cargo.current_dir(&folder).arg("--target-dir").arg(&target))?;
    Ok(target.join(built).join(name))
}
