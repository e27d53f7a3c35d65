//! What `cargo metadata` says about our crates.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::command::{cargo, root, shown};

/// The crates of the workspace, sorted by name.
pub(crate) fn packages() -> Result<Vec<Package>> {
    let mut command = cargo("metadata --no-deps --format-version 1");
    let output = command.output().context("failed to start `cargo metadata`")?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{}` failed: {message}", shown(&command));
    let mut packages = parse(&output.stdout)?;
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(packages)
}

/// The crates in the output of `cargo metadata`.
pub(crate) fn parse(json: &[u8]) -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    let metadata: Metadata = serde_json::from_slice(json).context("unknown form of metadata")?;
    Ok(metadata.packages)
}

/// A crate of the workspace.
#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    features: BTreeMap<String, Vec<String>>,
    /// Where the crate may be published: anywhere, or only in these registries.
    publish: Option<Vec<String>>,
    /// What registries show.
    #[serde(flatten)]
    pub(crate) card: Card,
}

/// What registries and docs.rs show of a crate, as its manifest has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Card {
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) rust_version: Option<String>,
    pub(crate) keywords: Vec<String>,
    pub(crate) categories: Vec<String>,
    /// A path that begins at the manifest.
    pub(crate) readme: Option<PathBuf>,
    /// The tables of other programs.
    pub(crate) metadata: Value,
}

/// A line of `[dependencies]`, `[dev-dependencies]` or `[build-dependencies]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    kind: Option<String>,
    optional: bool,
}

impl Package {
    /// The folder with the manifest.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }

    /// Whether the crate stands in this folder of the repository.
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.manifest_path.starts_with(root().join(folder))
    }

    /// Whether users of the project get this crate.
    pub(crate) fn is_published(&self) -> bool {
        self.publish.is_none()
    }

    /// The features that can be switched on one by one.
    pub(crate) fn features(&self) -> impl Iterator<Item = &str> {
        self.features.keys().map(String::as_str).filter(|name| *name != "default")
    }
}

impl Dependency {
    /// Whether every user of the crate gets this one, too.
    pub(crate) fn is_mandatory(&self) -> bool {
        !self.is_for_tests() && !self.optional
    }

    /// Whether only the tests and examples of the crate use it.
    pub(crate) fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}
