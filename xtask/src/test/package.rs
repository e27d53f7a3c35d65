//! The packages of the crates that are published, and what registries show of them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::command::{cargo, program, root, run, target};
use crate::metadata::{self, Package};

/// Features that are not for users, so that no page has to describe them.
const NOT_FOR_USERS: [&str; 2] = ["fault-injection", "fuzzing"];

/// Packages them all, after a check of what their manifests say, and checks what is in the packages.
pub(super) fn check() -> Result<()> {
    let packages = metadata::packages()?;
    let mut problems = Vec::new();
    for package in packages.iter().filter(|package| package.is_published()) {
        problems.extend(missing(package));
        problems.extend(undescribed(package, &readme(package)?));
    }
    if !problems.is_empty() {
        bail!("not ready to be published:\n  {}", problems.join("\n  "));
    }
    run(&mut command_for(&packages))?;
    unpack(&packages)?;
    run(&mut check_command())
}

/// The commands of the step.
pub(super) fn commands() -> Result<Vec<Command>> {
    Ok(vec![command_for(&metadata::packages()?), check_command()])
}

/// All at once, because a crate is not in the registry yet when those that depend on it are packaged.
fn command_for(packages: &[Package]) -> Command {
    // The option `--workspace` selects crates that are not published as well.
    let left_out = packages.iter().filter(|package| !package.is_published());
    let options: Vec<String> =
        left_out.map(|package| format!("--exclude {}", package.name)).collect();
    // What is packaged before a commit is the work in progress. Cargo's own verification takes five times as long
    // as ours, because it builds the dependencies of each package once more.
    let how = "--locked --allow-dirty --no-verify";
    cargo(&format!("package --quiet --workspace {} {how}", options.join(" ")))
}

/// The workspace of what was in the packages.
fn unpacked() -> PathBuf {
    target().join("package").join("unpacked")
}

/// Unpacks what was packaged, as a workspace whose crates find each other.
fn unpack(packages: &[Package]) -> Result<()> {
    let folder = unpacked();
    // It is not there the first time.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let mut manifest =
        "[workspace]\nresolver = \"3\"\nmembers = [\"*\"]\n\n[patch.crates-io]\n".to_owned();
    for package in packages.iter().filter(|package| package.is_published()) {
        let (name, name_in_registry) =
            (&package.name, format!("{}-{}", package.name, package.version));
        manifest.extend([name, " = { path = \"", &name_in_registry, "\" }\n"]);
        let file = target().join("package").join(name_in_registry + ".crate");
        let mut tar = program("tar", "-xzf");
        let status =
            tar.arg(&file).arg("-C").arg(&folder).status().context("`tar` cannot be started")?;
        ensure!(status.success(), "`{}` cannot be unpacked", file.display());
    }
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock"))?;
    Ok(())
}

/// Checks everything that was unpacked. The lock file has more crates than are needed, so it becomes smaller.
fn check_command() -> Command {
    let mut command = cargo("check --quiet --workspace --all-features --offline --manifest-path");
    command.arg(unpacked().join("Cargo.toml")).arg("--target-dir").arg(target());
    command
}

/// What the manifest does not say.
fn missing(package: &Package) -> Vec<String> {
    let card = &package.card;
    let documents_all = card.metadata["docs"]["rs"]["all-features"] == true;
    let said = [
        ("`description`", card.description.is_some()),
        ("`license`", card.license.is_some()),
        ("`rust-version`", card.rust_version.is_some()),
        ("`readme`", card.readme.is_some()),
        ("`keywords`", !card.keywords.is_empty()),
        ("`categories`", !card.categories.is_empty()),
        ("`all-features` for docs.rs", documents_all),
    ];
    let missing = said.into_iter().filter(|(_, is_said)| !is_said);
    missing.map(|(key, _)| format!("`{}` has no {key}", package.name)).collect()
}

fn readme(package: &Package) -> Result<String> {
    let Some(path) = &package.card.readme else { return Ok(String::new()) };
    let path = package.folder().join(path);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// The features for users that the page of the crate does not describe in a table.
fn undescribed(package: &Package, readme: &str) -> Vec<String> {
    let is_described = |feature: &str| readme.contains(&format!("\n| `{feature}`"));
    let features = package.features().filter(|feature| !NOT_FOR_USERS.contains(feature));
    let missing = features.filter(|feature| !is_described(feature));
    let name = &package.name;
    missing.map(|feature| format!("the page of `{name}` does not describe `{feature}`")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::command::shown;

    fn package(name: &str, publish: &Value) -> Package {
        let package = json!({
            "name": name, "version": "0.1.0", "manifest_path": format!("/{name}/Cargo.toml"), "publish": publish,
            "dependencies": [], "features": { "default": [], "ssh": [], "fuzzing": [] },
            "description": "x", "license": "MIT", "rust_version": "1.95", "readme": "README.md",
            "keywords": ["x"], "categories": [], "metadata": { "docs": { "rs": { "all-features": true } } },
        });
        let json = json!({ "packages": [package] }).to_string();
        metadata::parse(json.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn crates_that_are_not_published_are_left_out() {
        let packages = [package("a", &Value::Null), package("b", &json!([]))];
        let expected =
            "cargo package --quiet --workspace --exclude b --locked --allow-dirty --no-verify";
        assert_eq!(shown(&command_for(&packages)), expected);
    }

    #[test]
    fn what_is_missing_is_named() {
        let package = package("a", &Value::Null);
        assert_eq!(missing(&package), ["`a` has no `categories`"]);
        assert_eq!(undescribed(&package, "\n| `ssh` | x |"), [""; 0]);
        let expected = ["the page of `a` does not describe `ssh`"];
        assert_eq!(undescribed(&package, "`ssh`"), expected);
    }
}
