//! The direction of dependencies between our crates.
//!
//! All kinds of dependencies count, optional ones and those of tests, too: a cycle through a test
//! is still one to whoever reads the code.

use anyhow::{Result, bail};

use crate::metadata::Package;

/// Which of our crates a crate may depend on. The ones that are not named, it may not.
const RULES: &[(&str, &[&str])] = &[
    ("chutes-rules", &[]),
    ("chutes-core", &["chutes-rules"]),
    ("chutes-compute-horde", &["chutes-core"]),
    ("chutes-macros", &["chutes-rules"]),
    ("chutes-process", &["chutes-core"]),
    ("chutes-engine", &["chutes-core"]),
    ("chutes-ports", &["chutes-core", "chutes-process"]),
    ("chutes-ssh", &["chutes-core", "chutes-engine", "chutes-ports", "chutes-process"]),
    ("chutes-front", &["chutes-core", "chutes-ports"]),
    ("chutes-transfer", &["chutes-core"]),
    ("chutes-outputs", &["chutes-core", "chutes-transfer"]),
    (
        "chutes-runtime",
        &[
            "chutes-compute-horde",
            "chutes-core",
            "chutes-engine",
            "chutes-front",
            "chutes-macros",
            "chutes-outputs",
            "chutes-ports",
            "chutes-process",
            "chutes-ssh",
            "chutes-transfer",
            "chutes-test-support",
        ],
    ),
    ("chutes", &["chutes-macros", "chutes-runtime"]),
    ("chutes-cli", &["chutes-compute-horde", "chutes-core", "chutes-runtime"]),
    ("xtask", &[]),
];

/// What an example may depend on: exactly what its readers will.
const EXAMPLE: &[&str] = &["chutes"];

/// Compiled before every use of the attributes, so it must not bring anything along.
const WITHOUT_DEPENDENCIES: &str = "chutes-rules";

/// Fails with everything that is wrong.
pub(crate) fn check(packages: &[Package]) -> Result<()> {
    let problems = problems(packages);
    if !problems.is_empty() {
        bail!("wrong dependencies:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

fn problems(packages: &[Package]) -> Vec<String> {
    // Tests may use everything.
    let judged = packages.iter().filter(|package| !package.is_in("tests"));
    let of_packages = judged.flat_map(|package| problems_of(package, packages));
    let gone = RULES.iter().filter(|(name, _)| packages.iter().all(|other| other.name != *name));
    let gone = gone.map(|(name, _)| format!("there is a rule for `{name}`, but no such crate"));
    of_packages.chain(gone).collect()
}

fn problems_of(package: &Package, packages: &[Package]) -> Vec<String> {
    let name = &package.name;
    let rule = RULES.iter().find(|(ruled, _)| ruled == name).map(|(_, allowed)| *allowed);
    let rule = if package.is_in("examples") { Some(EXAMPLE) } else { rule };
    let Some(allowed) = rule else {
        return vec![format!("there is no rule for `{name}`; write one in `{}`", file!())];
    };
    let dependencies = || package.dependencies.iter();
    let ours = dependencies().filter(|one| packages.iter().any(|other| other.name == one.name));
    let wrong = ours.filter(|one| !allowed.contains(&one.name.as_str()));
    let wrong = wrong.map(|one| format!("`{name}` must not depend on `{}`", one.name));
    let mandatory = dependencies().filter(|one| name == WITHOUT_DEPENDENCIES && one.is_mandatory());
    let mandatory = mandatory.map(|one| format!("`{}` in `{name}` must be optional", one.name));
    wrong.chain(mandatory).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::root;
    use crate::metadata;

    /// The ruled crates, and these: folder, name, dependencies as `name`, `name:dev` or `name:optional`.
    #[track_caller]
    fn check(changed: &[(&str, &str, &[&str])], expected: &[&str]) {
        let unchanged = RULES.iter().filter(|(name, _)| changed.iter().all(|one| one.1 != *name));
        let unchanged = unchanged.map(|(name, allowed)| (*name, *name, *allowed));
        let packages = unchanged.chain(changed.iter().copied()).map(|(folder, name, uses)| {
            let dependencies = uses.iter().map(|one| {
                let (name, how) = one.split_once(':').unwrap_or((one, ""));
                let kind = (how == "dev").then_some("dev");
                json!({ "name": name, "kind": kind, "optional": how == "optional" })
            });
            json!({
                "name": name,
                "manifest_path": root().join(folder).join("Cargo.toml"),
                "dependencies": dependencies.collect::<Vec<_>>(),
                "features": {},
                "publish": null,
            })
        });
        let metadata = json!({ "packages": packages.collect::<Vec<_>>() });
        let packages = metadata::parse(metadata.to_string().as_bytes()).unwrap();
        assert_eq!(problems(&packages), expected);
    }

    #[test]
    fn right_directions() {
        check(&[], &[]);
        check(&[("crates/chutes-rules", "chutes-rules", &["serde:optional", "insta:dev"])], &[]);
        check(&[("examples/web", "web", &["chutes", "axum"])], &[]);
        check(&[("tests", "chutes-tests", &["chutes", "chutes-core"])], &[]);
    }

    #[test]
    fn wrong_directions() {
        let runtime = "chutes-runtime";
        check(
            &[(runtime, runtime, &["chutes:dev"])],
            &["`chutes-runtime` must not depend on `chutes`"],
        );
        check(
            &[("examples/web", "web", &["chutes", "chutes-core"])],
            &["`web` must not depend on `chutes-core`"],
        );
        check(
            &[("crates/chutes-rules", "chutes-rules", &["serde"])],
            &["`serde` in `chutes-rules` must be optional"],
        );
    }

    #[test]
    fn rules_are_complete() {
        check(
            &[("new", "new", &[])],
            &["there is no rule for `new`; write one in `xtask/src/test/direction.rs`"],
        );
        let packages = metadata::parse(br#"{ "packages": [] }"#).unwrap();
        assert_eq!(problems(&packages).len(), RULES.len());
    }
}
