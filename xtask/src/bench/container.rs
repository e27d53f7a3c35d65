//! `cargo xtask bench-container`: a spec that runs an image, against the engine's own command line.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::json;

use super::contest::{Contender, Cost, compete, measure, print, scratch};
use super::engine::{Engine, IMAGE, build_chutes};
use super::material::Folder;
use crate::test::tools::{provide_containers, provide_from_debian};

/// Prints a Markdown table to standard output. `docs/benchmarks.md` says how to read it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 15)]
    rounds: u32,
}

/// What runs in the container: it reads nothing and writes one file.
const SCRIPT: &str = "echo hello; echo 1 > /output/a";

/// Measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("time --version", "time")?;
    provide_containers()?;
    let chutes = build_chutes()?;
    let engine = Engine::start()?;
    let runs = Folder::empty(scratch("container-runs")?)?;
    let spec = runs.path().join("spec.json");
    let text = json!({"image": IMAGE, "args": ["sh", "-c", SCRIPT]}).to_string();
    fs::write(&spec, text)?;
    let turn = Cell::new(0);
    let fresh = || {
        turn.set(turn.get() + 1);
        runs.path().join(turn.get().to_string())
    };
    let mut contenders = [
        Contender::new("`podman run --rm`", || by_hand(&engine, &fresh())),
        Contender::new("`chutes exec`", || exec(&engine, &chutes, &spec, &fresh())),
    ];
    // What is read from disk the first time is not counted.
    by_hand(&engine, &fresh())?;
    exec(&engine, &chutes, &spec, &fresh())?;
    let title = format!("one container, {} times each", arguments.rounds);
    compete(&title, &mut contenders, arguments.rounds)?;
    print(&title, &contenders);
    Ok(())
}

/// The same container by hand, with as little as the engine can be asked for.
fn by_hand(engine: &Engine, outputs: &Path) -> Result<Cost> {
    fs::create_dir(outputs)?;
    let mut command = engine.podman();
    command.args(["run", "--rm", "--network", "none", "--volume"]);
    command.arg(format!("{}:/output", outputs.display())).args([IMAGE, "sh", "-c", SCRIPT]);
    measure(&command)
}

fn exec(engine: &Engine, chutes: &Path, spec: &Path, directory: &Path) -> Result<Cost> {
    let mut command = Command::new(chutes);
    command.arg("exec").arg(spec).arg("--run-dir").arg(directory);
    measure(engine.environment(&mut command))
}
