//! `cargo xtask bench-container`: a spec that runs an image, against the engine's own command line.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::json;

use super::contest::{Contender, Cost, compete, measure, measure_into, print, scratch, served};
use super::engine::{Engine, IMAGE, build_chutes};
use super::material::Folder;
use crate::test::tools::{provide_containers, provide_from_debian};

/// Prints Markdown tables to standard output. `docs/benchmarks.md` says how to read them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 15)]
    rounds: u32,
    /// How much the second container prints, in MB
    #[arg(long, value_name = "MB", default_value_t = 400)]
    printed: u32,
    /// How often that is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    printed_rounds: u32,
}

/// What runs in the container: it reads nothing and writes one file.
const SCRIPT: &str = "echo hello; echo 1 > /output/a";

/// Keeps all that is printed: by default the middle of a long log is dropped.
const KEEP_ALL: [&str; 2] = ["--log-limit", "64GiB"];

/// Measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("time --version", "time")?;
    provide_containers()?;
    let (chutes, engine) = (build_chutes()?, Engine::start()?);
    let runs = Folder::empty(scratch("container-runs")?)?;
    let bench = Bench { chutes, engine, runs, turn: Cell::new(0) };
    bench.start_and_end(arguments.rounds)?;
    bench.printing(arguments.printed, arguments.printed_rounds)
}

struct Bench {
    chutes: PathBuf,
    engine: Engine,
    runs: Folder,
    turn: Cell<u32>,
}

impl Bench {
    /// A container that does next to nothing.
    fn start_and_end(&self, rounds: u32) -> Result<()> {
        let spec = self.spec("spec.json", SCRIPT)?;
        let mut contenders = [
            Contender::new("`podman run --rm`", || self.by_hand()),
            Contender::new("`chutes exec`", || {
                self.served(|| measure(&self.exec(&spec, &self.fresh(), &[])))
            }),
        ];
        // What is read from disk the first time is not counted.
        self.by_hand()?;
        measure(&self.exec(&spec, &self.fresh(), &[]))?;
        let title = format!("one container, {rounds} times each");
        compete(&title, &mut contenders, rounds)?;
        print(&title, &contenders);
        Ok(())
    }

    /// A container that prints many lines of 100 bytes.
    fn printing(&self, megabytes: u32, rounds: u32) -> Result<()> {
        let bytes = u64::from(megabytes) * 1_000_000;
        let script = format!("yes {} | head -c {bytes}", "0123456789".repeat(10).split_at(99).0);
        let spec = self.spec("printing.json", &script)?;
        let mut contenders = [
            Contender::new("`podman run --rm > FILE`", || self.to_file(&script, bytes)),
            Contender::new("`chutes exec`, the middle of the log is dropped", || {
                self.to_log(&spec, bytes, &[])
            }),
            Contender::new("`chutes exec`, all of the log is kept", || {
                self.to_log(&spec, bytes, &KEEP_ALL)
            }),
        ];
        let title = format!("one container that prints {megabytes} MB, {rounds} times each");
        compete(&title, &mut contenders, rounds)?;
        print(&title, &contenders);
        Ok(())
    }

    fn fresh(&self) -> PathBuf {
        self.turn.set(self.turn.get() + 1);
        self.runs.path().join(self.turn.get().to_string())
    }

    fn spec(&self, name: &str, script: &str) -> Result<PathBuf> {
        let spec = self.runs.path().join(name);
        let text = json!({"image": IMAGE, "args": ["sh", "-c", script]}).to_string();
        fs::write(&spec, text)?;
        Ok(spec)
    }

    /// Measures what the service of the engine needs for it, too.
    fn served(&self, act: impl FnOnce() -> Result<Cost>) -> Result<Cost> {
        served(|| self.engine.cpu(), act)
    }

    /// The same container by hand, with as little as the engine can be asked for.
    fn by_hand(&self) -> Result<Cost> {
        let outputs = self.fresh();
        fs::create_dir(&outputs)?;
        let mut command = self.engine.podman();
        command.args(["run", "--rm", "--network", "none", "--volume"]);
        command.arg(format!("{}:/output", outputs.display())).args([IMAGE, "sh", "-c", SCRIPT]);
        self.served(|| measure(&command))
    }

    fn exec(&self, spec: &Path, directory: &Path, options: &[&str]) -> Command {
        let mut command = Command::new(&self.chutes);
        command.arg("exec").arg(spec).arg("--run-dir").arg(directory).args(options);
        self.engine.environment(&mut command);
        command
    }

    fn to_file(&self, script: &str, bytes: u64) -> Result<Cost> {
        let file = self.fresh();
        let mut command = self.engine.podman();
        command.args(["run", "--rm", "--network", "none", IMAGE, "sh", "-c", script]);
        let cost = self.served(|| measure_into(&command, &file))?;
        ensure!(fs::metadata(&file)?.len() == bytes, "not all was printed");
        fs::remove_file(&file)?;
        Ok(cost)
    }

    /// Into the log of a run. What it shows goes nowhere.
    fn to_log(&self, spec: &Path, bytes: u64, options: &[&str]) -> Result<Cost> {
        let directory = self.fresh();
        let command = self.exec(spec, &directory, options);
        let cost = self.served(|| measure_into(&command, Path::new("/dev/null")))?;
        let kept = fs::metadata(directory.join("logs").join("stdout.log"))?.len();
        ensure!(options.is_empty() || kept == bytes, "only {kept} bytes of the log were kept");
        fs::remove_dir_all(&directory)?;
        Ok(cost)
    }
}
