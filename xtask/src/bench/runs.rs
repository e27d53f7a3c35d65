//! `cargo xtask bench-runs`: listing the runs of a folder, against reading their outcomes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::contest::{Contender, compete, measure, print, scratch};
use super::jobs::Jobs;
use super::material::Folder;
use crate::test::tools::provide_from_debian;

/// Prints a Markdown table to standard output. `docs/benchmarks.md` says how to read it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 15)]
    rounds: u32,
    /// How many runs there are
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    runs: u32,
}

/// Makes the runs and measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("time --version", "time")?;
    let jobs = Jobs::build()?;
    let folder = Folder::empty(scratch("many-runs")?)?;
    fill(&jobs, folder.path(), arguments.runs)?;
    let list = |options: &'static [&'static str]| {
        let (jobs, folder) = (&jobs, folder.path());
        move || measure(Command::new(jobs.path()).arg("ps").arg(folder).args(options))
    };
    let read = || {
        let script = "find \"$1\" -name outcome.json -print0 | xargs -0 cat";
        measure(Command::new("sh").args(["-c", script, "sh"]).arg(folder.path()))
    };
    let mut contenders = [
        Contender::new("`cat` of the outcomes", read),
        Contender::new("`ps`, all have ended", list(&[])),
        Contender::new("`ps --all --json`", list(&["--all", "--json"])),
        Contender::new("`ps --all`", list(&["--all"])),
    ];
    let title = format!("{} runs that have ended", arguments.runs);
    compete(&title, &mut contenders, arguments.rounds)?;
    print(&title, &contenders);
    Ok(())
}

/// Makes one run with an output, and copies what a list reads of it.
fn fill(jobs: &Jobs, folder: &Path, runs: u32) -> Result<()> {
    let first = folder.join("run-0");
    let mut command = Command::new(jobs.path());
    command.args(["run", "leaves_a_helper", "--set", "files=20", "--run-dir"]).arg(&first);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(status.context("failed to start a run")?.success(), "the run failed");
    for number in 1..runs {
        let copy = folder.join(format!("run-{number}"));
        fs::create_dir(&copy).with_context(|| copy.display().to_string())?;
        for name in ["run.jsonl", "outcome.json"] {
            fs::copy(first.join(name), copy.join(name)).with_context(|| name.to_owned())?;
        }
    }
    Ok(())
}
