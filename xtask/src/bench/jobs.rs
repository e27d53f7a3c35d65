//! Runs of a job that has nothing to do but to have files: what is measured comes after the job.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::contest::{Cost, measure, scratch};
use crate::command::{program, root, run};

/// The binary with the jobs of the end-to-end tests, which can deliver anywhere.
pub(crate) struct Jobs(PathBuf);

impl Jobs {
    /// Builds it, optimized.
    pub(crate) fn build() -> Result<Self> {
        let target = root().join("target");
        let mut cargo = program("cargo", "build --release -p chutes-tests --bin test-jobs");
        run(cargo.arg("--target-dir").arg(&target))?;
        Ok(Self(target.join("release").join("test-jobs")))
    }

    /// The binary.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The cost of a run with these outputs, from its start to its end, without the time of the
    /// job itself. `more` says where the outputs go.
    pub(crate) fn cost(
        &self,
        outputs: &Path,
        more: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Result<Cost> {
        let directory = scratch("run")?;
        let mut command = Command::new(&self.0);
        command.args(["run", "links_files", "--run-dir"]).arg(&directory);
        command.arg("--data").arg(Value::from(outputs.to_string_lossy()).to_string());
        let cost = measure(more(&mut command));
        let executed = cost.is_ok().then(|| phase(&directory, "execute"));
        // A run that failed has printed why.
        let _ = fs::remove_dir_all(&directory);
        let (cost, executed) = (cost?, executed.unwrap_or_else(|| Ok(Duration::ZERO))?);
        Ok(Cost { wall: cost.wall.saturating_sub(executed), ..cost })
    }
}

/// How long a phase of a run took, by its journal.
pub(super) fn phase(directory: &Path, name: &str) -> Result<Duration> {
    let journal = fs::read_to_string(directory.join("run.jsonl")).context("no journal")?;
    let mut phases = journal.lines().filter_map(|line| {
        let record: Value = serde_json::from_str(line).ok()?;
        let phase = record.get("phase")?;
        (phase.get("name")? == name).then(|| phase.get("seconds").cloned())?
    });
    let elapsed = phases.next_back().with_context(|| format!("the run has no phase `{name}`"))?;
    elapsed
        .as_f64()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .with_context(|| format!("the journal has {elapsed} as the time of a phase"))
}
