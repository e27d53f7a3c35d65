//! What the facade `chutes` shows is chosen by name: each public name of the crates behind it stands in one module,
//! and few stand in the root.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use syn::{Attribute, Item, UseTree, Visibility};

use super::direction::FACADE;
use super::examples;
use crate::command::root;
use crate::metadata;
use crate::sources;

/// The most names in the root, modules of the facade itself left out. They are what nearly every program needs, so
/// one more is rarely right.
const MOST_AT_ROOT: usize = 15;

/// The roots of the crates whose names the facade shows one by one.
const BEHIND: [&str; 2] = ["chutes-core/src/lib.rs", "chutes-runtime/src/lib.rs"];

/// Fails with everything that is wrong.
pub(super) fn check() -> Result<()> {
    let folder = root().join(FACADE).join("src");
    let mut facade = BTreeMap::new();
    for file in sources::below(&folder)? {
        let module = file.strip_prefix(&folder)?.with_extension("").display().to_string();
        facade.insert(module, shown(&read(&file)?)?);
    }
    let mut wanted = Vec::new();
    for file in BEHIND {
        wanted.extend(shown(&read(&root().join(file))?)?);
    }
    let mut problems = problems(&facade, &wanted);
    problems.extend(examples::problems(&metadata::packages()?)?);
    if !problems.is_empty() {
        bail!("not as the facade has to be:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

/// A public name, and the path that it is re-exported from.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    name: String,
    from: Vec<String>,
}

impl Shown {
    fn is_glob(&self) -> bool {
        self.name == "*"
    }

    /// Whether this only repeats a name of the root of its own crate.
    fn is_link(&self) -> bool {
        self.from.len() == 2 && self.from[0] == "crate"
    }
}

/// The public names of a source file that the documentation shows. Of its own items only modules and constants
/// count; a facade has no others.
fn shown(code: &str) -> Result<Vec<Shown>> {
    let mut found = Vec::new();
    for item in syn::parse_file(code)?.items {
        let (attributes, visibility) = match &item {
            Item::Use(item) => (&item.attrs, &item.vis),
            Item::Mod(item) => (&item.attrs, &item.vis),
            Item::Const(item) => (&item.attrs, &item.vis),
            _ => continue,
        };
        if !matches!(visibility, Visibility::Public(_)) || attributes.iter().any(is_hiding) {
            continue;
        }
        let own = |name: &syn::Ident| Shown { name: name.to_string(), from: Vec::new() };
        match &item {
            Item::Use(item) => add_tree(&item.tree, &mut Vec::new(), &mut found),
            Item::Mod(item) => found.push(own(&item.ident)),
            Item::Const(item) => found.push(own(&item.ident)),
            _ => {}
        }
    }
    Ok(found)
}

/// Whether this is `#[doc(hidden)]`.
fn is_hiding(attribute: &Attribute) -> bool {
    let word = attribute.parse_args::<syn::Ident>();
    attribute.path().is_ident("doc") && word.is_ok_and(|word| word == "hidden")
}

fn add_tree(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Shown>) {
    let mut add = |last: String, name: String| {
        let from = path.iter().cloned().chain([last]).collect();
        found.push(Shown { name, from });
    };
    match tree {
        UseTree::Name(one) => add(one.ident.to_string(), one.ident.to_string()),
        UseTree::Rename(one) => add(one.ident.to_string(), one.rename.to_string()),
        UseTree::Glob(_) => add("*".to_owned(), "*".to_owned()),
        UseTree::Path(one) => {
            path.push(one.ident.to_string());
            add_tree(&one.tree, path, found);
            path.pop();
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|one| add_tree(one, path, found));
        }
    }
}

/// What is wrong with the facade: its names by module, `lib` for the root; and the names that it has to show.
fn problems(facade: &BTreeMap<String, Vec<Shown>>, wanted: &[Shown]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut places = BTreeMap::<&str, Vec<&str>>::new();
    for (module, names) in facade {
        for one in names.iter().filter(|one| !one.is_link() && !one.from.is_empty()) {
            places.entry(&one.name).or_default().push(module);
        }
        if names.iter().any(Shown::is_glob) {
            problems
                .push(format!("`{module}` re-exports everything of a path: name what it shows"));
        }
    }
    for (name, modules) in places.iter().filter(|(_, modules)| modules.len() > 1) {
        problems.push(format!("`{name}` stands in several modules: {}", modules.join(", ")));
    }
    for one in wanted.iter().filter(|one| !one.is_glob() && !places.contains_key(&*one.name)) {
        problems.push(format!("`{}` stands in no module", one.name));
    }
    let in_root = facade.get("lib").into_iter().flatten().filter(|one| !one.from.is_empty());
    let count = in_root.count();
    if count > MOST_AT_ROOT {
        problems
            .push(format!("the root has {count} names; at most {MOST_AT_ROOT} may stand there"));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(facade: &[(&str, &str)], wanted: &str, expected: &[&str]) {
        let modules = facade.iter().map(|(name, code)| ((*name).to_owned(), shown(code).unwrap()));
        assert_eq!(problems(&modules.collect(), &shown(wanted).unwrap()), expected);
    }

    #[test]
    fn a_chosen_facade_passes() {
        let root = "pub mod run;\n#[doc(hidden)]\npub use a::__private;\npub use a::Run;";
        let run = "#[doc(no_inline)]\npub use crate::Run;\npub use a::{RunId, other as RunError};";
        let wanted = "pub use core::*; pub use crate::run::{Run, RunId}; pub(crate) use b::C;
            #[doc(hidden)] pub mod hidden; mod private; use d::E; pub use it as RunError;";
        check(&[("lib", root), ("run", run)], wanted, &[]);
    }

    #[test]
    fn what_is_not_chosen_is_found() {
        check(
            &[("lib", "pub use chutes_runtime::*;")],
            "",
            &["`lib` re-exports everything of a path: name what it shows"],
        );
        check(
            &[("event", "pub use a::Status;"), ("run", "pub use crate::a::{Run, Status};")],
            "pub use x::{Run, Status};",
            &["`Status` stands in several modules: event, run"],
        );
        check(
            &[("lib", "pub use a::Run;")],
            "pub use x::Run; pub mod reader; pub const VERSION: u8 = 1;",
            &["`reader` stands in no module", "`VERSION` stands in no module"],
        );
        let many: Vec<String> = (0..=MOST_AT_ROOT).map(|number| format!("N{number}")).collect();
        check(
            &[("lib", &format!("pub use a::{{{}}};", many.join(", ")))],
            "",
            &["the root has 16 names; at most 15 may stand there"],
        );
    }
}
