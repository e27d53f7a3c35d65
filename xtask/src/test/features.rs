//! The combinations of features that are checked.
//!
//! Every published crate has to build without features and with each feature alone. For the facade, whose features
//! users choose, all features together and pairs that interact are checked as well.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::command::{cargo, shown};
use crate::metadata::{self, Package};

/// The crate whose features users choose.
const FACADE: &str = "chutes";

/// Features of the facade that meet in the code: one changes what another one does.
const PAIRS: &[&str] = &[
    // Sessions in containers.
    "container ssh",
    // The front before a container.
    "container streaming",
    // Two servers of one run.
    "ssh streaming",
];

/// One `cargo clippy` for each combination.
pub(super) fn commands() -> Result<Vec<Command>> {
    let packages = metadata::packages()?;
    let published = packages.iter().filter(|package| package.is_published());
    Ok(published.flat_map(commands_for).collect())
}

/// `clippy` rather than `check`, because only there can a warning be made an error without building
/// all dependencies anew. What is left over without a feature is reported as a warning.
fn commands_for(package: &Package) -> Vec<Command> {
    let name = &package.name;
    let command = |selection: String| {
        cargo(&format!("clippy --quiet --package {name} {selection} --locked -- -D warnings"))
    };
    selections(package).into_iter().map(command).collect()
}

/// The options that select features. A crate without features is checked by the other steps.
fn selections(package: &Package) -> Vec<String> {
    let alone: Vec<&str> = package.features().collect();
    if alone.is_empty() {
        return Vec::new();
    }
    let mut selections = vec!["--no-default-features".to_owned()];
    let is_facade = package.name == FACADE;
    let pairs = PAIRS.iter().filter(|_| is_facade);
    let with =
        |names: &&str| format!("--no-default-features --features={}", names.replace(' ', ","));
    selections.extend(alone.iter().chain(pairs).map(with));
    selections.extend(is_facade.then(|| "--all-features".to_owned()));
    selections
}

/// Runs all commands, with one line for each; the output only of one that fails.
pub(super) fn run() -> Result<()> {
    for mut command in commands()? {
        let line = shown(&command);
        let start = Instant::now();
        let output = command.output();
        let output = output.with_context(|| format!("failed to start `{line}`"))?;
        if !output.status.success() {
            bail!("`{line}` failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        eprintln!("    {:>6.1} s  {line}", start.elapsed().as_secs_f64());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_features_of_the_facade() {
        let packages = metadata::packages().unwrap();
        let facade = packages.iter().find(|package| package.name == FACADE).unwrap();
        let unknown: Vec<&str> = PAIRS
            .iter()
            .flat_map(|pair| pair.split(' '))
            .filter(|name| facade.features().all(|feature| feature != *name))
            .collect();
        assert!(unknown.is_empty(), "`{FACADE}` has no features {unknown:?}");
    }

    #[test]
    fn every_kind_of_selection() {
        let json = br#"{ "packages": [{ "name": "chutes", "version": "0.1.0", "manifest_path": "/x/Cargo.toml", "publish": null,
            "dependencies": [], "features": { "default": ["a"], "a": [], "b": [] } }] }"#;
        let package = metadata::parse(json).unwrap().remove(0);
        let commands: Vec<String> = commands_for(&package).iter().map(shown).collect();
        let clippy = |selection: &str| {
            format!("cargo clippy --quiet --package chutes {selection} --locked -- -D warnings")
        };
        assert_eq!(commands[0], clippy("--no-default-features"));
        assert_eq!(commands[1], clippy("--no-default-features --features=a"));
        assert_eq!(commands[2], clippy("--no-default-features --features=b"));
        assert_eq!(commands[3], clippy("--no-default-features --features=container,ssh"));
        assert_eq!(commands.len(), 3 + PAIRS.len() + 1);
        assert_eq!(commands[commands.len() - 1], clippy("--all-features"));
    }
}
