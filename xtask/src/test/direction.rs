//! The direction of dependencies between our crates.
//!
//! [`ALLOWED`] is the map of the crates as `docs/architecture.md` has it. A crate that it does not have, an edge
//! that it does not have, and a circle are errors. Dependencies of tests are judged by a rule of their own,
//! because cargo allows what the map forbids: a circle through a test, which builds its crates twice.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::metadata::{Dependency, Package};

/// A crate, and those of our crates that it may depend on.
type Edges = (&'static str, &'static [&'static str]);

/// The map. A crate of it need not exist yet.
const ALLOWED: &[Edges] = &[
    ("chutes-rules", &[]),
    ("chutes-core", &["chutes-rules"]),
    ("chutes-macros", &["chutes-rules"]),
    ("chutes-linux", &[]),
    ("chutes-process", &["chutes-core", "chutes-linux"]),
    ("chutes-engine", &["chutes-core", "chutes-linux"]),
    ("chutes-transfer", &["chutes-core", "chutes-linux"]),
    ("chutes-compute-horde", &["chutes-core"]),
    ("chutes-outputs", &["chutes-core", "chutes-transfer"]),
    ("chutes-volumes", &["chutes-core", "chutes-transfer"]),
    ("chutes-ports", &["chutes-core", "chutes-engine", "chutes-process"]),
    ("chutes-ssh", &["chutes-core", "chutes-engine", "chutes-ports", "chutes-process"]),
    ("chutes-front", &["chutes-core", "chutes-ports"]),
    (
        "chutes-supervisor",
        &[
            "chutes-core",
            "chutes-engine",
            "chutes-front",
            "chutes-outputs",
            "chutes-ports",
            "chutes-process",
            "chutes-ssh",
            "chutes-transfer",
            "chutes-volumes",
        ],
    ),
    ("chutes-console", &["chutes-compute-horde", "chutes-core", "chutes-supervisor"]),
    (
        "chutes-runtime",
        &[
            "chutes-compute-horde",
            "chutes-console",
            "chutes-core",
            "chutes-macros",
            "chutes-process",
            "chutes-supervisor",
        ],
    ),
    ("chutes", &["chutes-macros", "chutes-runtime"]),
    ("chutes-cli", &["chutes-compute-horde", "chutes-console", "chutes-core", "chutes-supervisor"]),
    (SUPPORT, &["chutes-core"]),
    ("xtask", &[]),
];

/// What an example may depend on: exactly what its readers will.
const EXAMPLE: &[&str] = &["chutes"];

/// The crate that tests of different crates share. The tests of every crate of the map may depend on it.
const SUPPORT: &str = "chutes-test-support";

/// The crate that users depend on.
pub(super) const FACADE: &str = "chutes";

/// The crates whose items the facade shows. The examples in their documentation import the facade, because their
/// readers do, so their tests may depend on it. That is a circle through tests only: examples are linked to ordinary
/// libraries, and unit tests do not use the facade. `cargo publish` removes this dependency, as it has no version.
pub(super) const SHOWN: &[&str] =
    &["chutes-core", "chutes-rules", "chutes-runtime", "chutes-supervisor"];

/// The crate whose dependencies are compiled before every use of the attributes. Those of ours must not have
/// dependencies of their own.
const MACROS: &str = "chutes-macros";

/// Fails with everything that is wrong.
pub(crate) fn check(packages: &[Package]) -> Result<()> {
    let problems = problems(packages);
    if !problems.is_empty() {
        bail!("wrong dependencies:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

fn problems(packages: &[Package]) -> Vec<String> {
    let edges = packages.iter().flat_map(|package| wrong_edges(package, packages));
    let brought = packages.iter().flat_map(|package| brought_along(package, packages));
    edges.chain(brought).chain(circle(&graph(packages))).collect()
}

/// Which of our crates a crate may depend on; `None` if the map does not have it.
fn allowed(package: &Package) -> Option<Vec<&'static str>> {
    if package.is_in("examples") {
        return Some(EXAMPLE.to_vec());
    }
    let (_, in_map) = ALLOWED.iter().find(|(name, _)| *name == package.name)?;
    Some(in_map.to_vec())
}

fn wrong_edges(package: &Package, packages: &[Package]) -> Vec<String> {
    let name = &package.name;
    // Tests of the project as a whole may use everything.
    if package.is_in("tests") && name != SUPPORT {
        return Vec::new();
    }
    let Some(allowed) = allowed(package) else {
        return vec![format!("`{name}` is not in the map of crates in `{}`", file!())];
    };
    let is_allowed = |one: &&Dependency| {
        let is_support = one.name == SUPPORT && !package.is_in("examples");
        let is_imported = one.name == FACADE && SHOWN.contains(&name.as_str());
        allowed.contains(&one.name.as_str()) || one.is_for_tests() && (is_support || is_imported)
    };
    let wrong = ours(package, packages).filter(|one| !is_allowed(one));
    wrong.map(|one| format!("`{name}` must not depend on `{}`", one.name)).collect()
}

/// The dependencies of a crate that are crates of ours.
fn ours<'a>(package: &'a Package, all: &'a [Package]) -> impl Iterator<Item = &'a Dependency> {
    package.dependencies.iter().filter(|one| all.iter().any(|other| other.name == one.name))
}

/// The dependencies that a crate of ours adds to every build, because the macros depend on it.
fn brought_along(package: &Package, packages: &[Package]) -> Vec<String> {
    let macros = packages.iter().find(|other| other.name == MACROS);
    let is_needed =
        macros.is_some_and(|macros| macros.dependencies.iter().any(|one| one.name == package.name));
    let is_ours = |one: &Dependency| packages.iter().any(|other| other.name == one.name);
    let foreign = package.dependencies.iter().filter(|one| one.is_mandatory() && !is_ours(one));
    let problem = |one: &Dependency| {
        let (name, brought) = (&package.name, &one.name);
        format!("`{brought}` in `{name}` must be optional: `{MACROS}` depends on `{name}`")
    };
    foreign.filter(|_| is_needed).map(problem).collect()
}

/// Which of our crates each of them needs to be built. Dependencies of tests are left out.
fn graph(packages: &[Package]) -> BTreeMap<&str, Vec<&str>> {
    let needs = |package| {
        let needed = ours(package, packages).filter(|one| !one.is_for_tests());
        needed.map(|one| one.name.as_str()).collect()
    };
    packages.iter().map(|package| (package.name.as_str(), needs(package))).collect()
}

/// The first circle of a graph, in words.
fn circle(graph: &BTreeMap<&str, Vec<&str>>) -> Option<String> {
    // What has no edge, or only edges to what was removed before, is on no circle.
    let mut left = graph.clone();
    loop {
        let is_end = |needs: &[&str]| !needs.iter().any(|one| left.contains_key(one));
        let ends: Vec<&str> =
            left.iter().filter(|(_, needs)| is_end(needs)).map(|(name, _)| *name).collect();
        if ends.is_empty() {
            break;
        }
        left.retain(|name, _| !ends.contains(name));
    }
    // Everything that is left leads to a circle, so following edges gets to a crate for a second time.
    let mut path: Vec<&str> = vec![left.keys().next()?];
    loop {
        let next = *graph[path[path.len() - 1]].iter().find(|one| left.contains_key(*one))?;
        if let Some(begin) = path.iter().position(|one| *one == next) {
            let words = path[begin..].iter().chain([&next]).map(|name| format!("`{name}`"));
            return Some(format!("a circle: {}", words.collect::<Vec<_>>().join(" -> ")));
        }
        path.push(next);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::command::root;
    use crate::metadata;

    /// A crate: its folder, its name, and its dependencies as `name`, `name:dev` or `name:optional`.
    type Case<'a> = (&'a str, &'a str, &'a [&'a str]);

    fn packages(cases: &[Case<'_>]) -> Vec<Package> {
        let packages = cases.iter().map(|(folder, name, uses)| {
            let dependencies = uses.iter().map(|one| {
                let (name, how) = one.split_once(':').unwrap_or((one, ""));
                let kind = (how == "dev").then_some("dev");
                json!({ "name": name, "kind": kind, "optional": how == "optional" })
            });
            json!({
                "name": name,
                "version": "0.1.0",
                "manifest_path": root().join(folder).join("Cargo.toml"),
                "dependencies": dependencies.collect::<Vec<_>>(),
                "features": {},
                "publish": null,
            })
        });
        let metadata = json!({ "packages": packages.collect::<Vec<_>>() });
        metadata::parse(metadata.to_string().as_bytes()).unwrap()
    }

    /// All crates of the map with all of their edges, except for these.
    #[track_caller]
    fn check(changed: &[Case<'_>], expected: &[&str]) {
        let unchanged = ALLOWED.iter().filter(|(name, _)| changed.iter().all(|one| one.1 != *name));
        let unchanged = unchanged.map(|(name, allowed)| (*name, *name, *allowed));
        let cases: Vec<Case<'_>> = unchanged.chain(changed.iter().copied()).collect();
        assert_eq!(problems(&packages(&cases)), expected);
    }

    #[test]
    fn right_directions() {
        check(&[], &[]);
        check(&[("chutes-rules", "chutes-rules", &["serde:optional", "proptest:dev"])], &[]);
        check(&[("chutes-core", "chutes-core", &["chutes-rules", "serde"])], &[]);
        check(&[("chutes-core", "chutes-core", &["chutes-rules", "chutes:dev"])], &[]);
        check(&[("examples/web", "web", &["chutes", "axum"])], &[]);
        check(&[("tests", "chutes-tests", &["chutes", "chutes-core"])], &[]);
        check(
            &[("crates/chutes-ssh", "chutes-ssh", &["chutes-ports", "chutes-test-support:dev"])],
            &[],
        );
    }

    #[test]
    fn wrong_directions() {
        let runtime = "chutes-runtime";
        check(
            &[(runtime, runtime, &["chutes"])],
            &[
                "`chutes-runtime` must not depend on `chutes`",
                "a circle: `chutes` -> `chutes-runtime` -> `chutes`",
            ],
        );
        check(
            &[("crates/chutes-ports", "chutes-ports", &["chutes:dev"])],
            &["`chutes-ports` must not depend on `chutes`"],
        );
        check(
            &[(
                "crates/chutes-ports",
                "chutes-ports",
                &["chutes-process", "chutes-volumes:optional"],
            )],
            &["`chutes-ports` must not depend on `chutes-volumes`"],
        );
        check(
            &[("examples/web", "web", &["chutes", "chutes-core"])],
            &["`web` must not depend on `chutes-core`"],
        );
    }

    #[test]
    fn support_is_for_tests() {
        let support = SUPPORT;
        check(
            &[("chutes-cli", "chutes-cli", &["chutes-core", support])],
            &["`chutes-cli` must not depend on `chutes-test-support`"],
        );
        check(
            &[("examples/web", "web", &["chutes", "chutes-test-support:dev"])],
            &["`web` must not depend on `chutes-test-support`"],
        );
        check(
            &[("tests/support", support, &["chutes-runtime"])],
            &["`chutes-test-support` must not depend on `chutes-runtime`"],
        );
    }

    #[test]
    fn macros_bring_nothing_along() {
        check(
            &[("crates/chutes-rules", "chutes-rules", &["serde"])],
            &[
                "`serde` in `chutes-rules` must be optional: `chutes-macros` depends on `chutes-rules`",
            ],
        );
    }

    #[test]
    fn crates_that_are_not_in_the_map() {
        check(
            &[("new", "new", &[])],
            &["`new` is not in the map of crates in `xtask/src/test/direction.rs`"],
        );
        assert_eq!(problems(&[]), [""; 0]);
    }

    #[test]
    fn circles() {
        check(
            &[("chutes-process", "chutes-process", &["chutes-ports"])],
            &[
                "`chutes-process` must not depend on `chutes-ports`",
                "a circle: `chutes-ports` -> `chutes-process` -> `chutes-ports`",
            ],
        );
        let graph = [("a", vec!["b", "x"]), ("b", vec!["c"]), ("c", vec!["b"]), ("x", Vec::new())];
        let expected = "a circle: `b` -> `c` -> `b`".to_owned();
        assert_eq!(circle(&BTreeMap::from(graph)), Some(expected));
    }

    #[test]
    fn the_map_is_complete_and_has_no_circle() {
        let graph: BTreeMap<&str, Vec<&str>> =
            ALLOWED.iter().map(|(name, needs)| (*name, needs.to_vec())).collect();
        let targets = graph.values().flatten();
        let unknown: Vec<_> =
            targets.filter(|one| !ALLOWED.iter().any(|(name, _)| name == *one)).collect();
        assert!(unknown.is_empty(), "the map does not have {unknown:?}");
        assert_eq!(circle(&graph), None);
    }
}
