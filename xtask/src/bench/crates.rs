//! The generated crates: one workspace, so that all are compiled against the same dependencies.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{program, root};

/// The crates that are compared: nothing on the functions, the best-known attribute, ours.
pub(crate) const COMPARED: [Variant; 3] = [
    Variant { name: "plain", attribute: "" },
    Variant { name: "instrument", attribute: "#[tracing::instrument(skip_all)]\n" },
    Variant { name: "job", attribute: "#[chutes::job]\n" },
];

/// A binary that does nothing, to compare starts with.
pub(crate) const HELLO: &str = "hello";

/// Where `cargo` puts what it builds, in the generated workspace.
const TARGET: &str = "target";

/// A crate, and what stands above each of its functions.
pub(crate) struct Variant {
    pub(crate) name: &'static str,
    attribute: &'static str,
}

/// The generated workspace.
pub(crate) struct Crates {
    root: PathBuf,
}

impl Crates {
    /// Writes all crates.
    pub(crate) fn generate(jobs: u32, own_types: bool) -> Result<Self> {
        let crates = Self { root: root().join("target").join("bench-macro") };
        crates.write("Cargo.toml", WORKSPACE)?;
        crates.write(".gitignore", "*\n")?;
        // The versions of the dependencies are those that the project is tested with.
        let lock = fs::read_to_string(root().join("Cargo.lock")).context("no Cargo.lock")?;
        crates.write("Cargo.lock", &lock)?;
        crates.write("hello/Cargo.toml", &package(HELLO))?;
        crates.write("hello/src/main.rs", "fn main() {\n    println!(\"hello\");\n}\n")?;
        for variant in COMPARED {
            let manifest = package(variant.name) + DEPENDENCIES;
            crates.write(&format!("{}/Cargo.toml", variant.name), &manifest)?;
            crates.write(&format!("{}/src/main.rs", variant.name), MAIN)?;
            let functions = functions(variant.attribute, jobs, own_types);
            crates.write(&format!("{}/src/functions.rs", variant.name), &functions)?;
        }
        Ok(crates)
    }

    /// A `cargo` command in the generated workspace.
    pub(crate) fn cargo(&self, arguments: &str) -> Command {
        let mut command = program("cargo", arguments);
        // Also where the builds of this project go somewhere else.
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", TARGET);
        command
    }

    /// Where a crate has its functions.
    pub(crate) fn source(&self, name: &str) -> PathBuf {
        self.root.join(name).join("src/functions.rs")
    }

    /// The binary of a crate; `profile` is `debug` or `release`.
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.root.join(TARGET).join(profile).join(name)
    }

    fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root.join(path);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .with_context(|| format!("failed to write `{}`", path.display()))
    }
}

const WORKSPACE: &str = r#"[workspace]
resolver = "3"
members = ["hello", "instrument", "job", "plain"]

[workspace.dependencies]
chutes = { path = "../../chutes" }
schemars = { version = "1", default-features = false, features = ["derive", "std"] }
serde = { version = "1", features = ["derive"] }
tracing = "0.1"

# Without the cache of the compiler: what a clean build does.
[profile.cold]
inherits = "dev"
incremental = false
"#;

fn package(name: &str) -> String {
    format!("[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n")
}

/// The same for all crates, whether they use it or not.
const DEPENDENCIES: &str = r"
[features]
# Calls all functions from a table, as one would write it without an attribute that registers them.
# Without it, the linker drops the functions that nothing registers.
table = []

[dependencies]
chutes.workspace = true
schemars.workspace = true
serde.workspace = true
tracing.workspace = true
";

const MAIN: &str = r#"#![allow(dead_code)]

mod functions;

fn main() -> std::process::ExitCode {
    #[cfg(feature = "table")]
    std::hint::black_box(functions::TABLE);
    chutes::main()
}
"#;

const HEADER: &str = r"use chutes::{JobContext, JobError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
";

fn functions(attribute: &str, jobs: u32, own_types: bool) -> String {
    let mut source = HEADER.to_owned();
    if !own_types {
        source += &data_types("");
    }
    for index in 0..jobs {
        let suffix = suffix(index, own_types);
        if own_types {
            source += &data_types(&suffix);
        }
        source += &function(attribute, index, &suffix);
    }
    let registers = attribute.contains("job");
    source + &if registers { EMPTY_TABLE.to_owned() } else { table(jobs, own_types) }
}

/// What stands behind the names of the types of a function.
fn suffix(index: u32, own_types: bool) -> String {
    if own_types { format!("{index:03}") } else { String::new() }
}

fn data_types(suffix: &str) -> String {
    format!(
        "
/// What a function is given.
#[derive(Deserialize, JsonSchema)]
pub struct Data{suffix} {{
    pub value: u64,
    pub text: String,
}}

/// What a function returns.
#[derive(Serialize, JsonSchema)]
pub struct Report{suffix} {{
    pub sum: u64,
    pub text: String,
}}
"
    )
}

fn function(attribute: &str, index: u32, suffix: &str) -> String {
    format!(
        r#"
/// Adds {index} to the value.
{attribute}pub async fn function_{index:03}(
    ctx: JobContext,
    data: Data{suffix},
) -> Result<Report{suffix}, JobError> {{
    if ctx.is_cancelled() {{
        return Err("cancelled".into());
    }}
    Ok(Report{suffix} {{ sum: data.value + {index}, text: data.text }})
}}
"#
    )
}

const EMPTY_TABLE: &str = r#"
#[cfg(feature = "table")]
pub const TABLE: () = ();
"#;

/// One call per function, with its future in a box.
fn table(jobs: u32, own_types: bool) -> String {
    let mut table = "
#[cfg(feature = \"table\")]
pub const TABLE: &[fn(JobContext, u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>>] = &[
"
    .to_owned();
    for index in 0..jobs {
        let suffix = suffix(index, own_types);
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "    |ctx, value| Box::pin(async move {{
        let data = Data{suffix} {{ value, text: String::new() }};
        function_{index:03}(ctx, data).await.map_or(0, |report| report.sum)
    }}),"
        );
    }
    table + "];\n"
}
