//! `cargo xtask bench-files`: collecting the outputs of a run and delivering them to a directory,
//! against copying them and taking their checksums by hand.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::contest::{Contender, Cost, compete, measure, print, scratch};
use super::jobs::Jobs;
use super::material::{Folder, Material};
use crate::test::tools::provide_from_debian;

/// Prints Markdown tables to standard output. `docs/benchmarks.md` says how to read them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    rounds: u32,
    /// The size of each of the 20 large files, in MB
    #[arg(long, value_name = "MB", default_value_t = 100)]
    large: u32,
    /// How many small files there are
    #[arg(long, value_name = "NUMBER", default_value_t = 10_000)]
    small: u32,
}

/// Files from this size upward, in bytes, are not kept until the end.
const LARGE: u64 = 100_000;

/// Measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("time --version", "time")?;
    provide_from_debian("openssl version", "openssl")?;
    let jobs = Jobs::build()?;
    for material in [
        Material { count: 20, bytes: u64::from(arguments.large) * 1_000_000 },
        Material { count: arguments.small, bytes: 1_000 },
    ] {
        let source = material.write(&scratch("source")?)?;
        contest(&jobs, &source, material, arguments.rounds)?;
    }
    Ok(())
}

/// Files are in the cache of the kernel and on disk when a turn begins, and its copies are on disk
/// when it ends.
fn contest(jobs: &Jobs, source: &Folder, material: Material, rounds: u32) -> Result<()> {
    let target = Target::new(material)?;
    let sums = scratch("sums.txt")?;
    let by_hand = |checksum: &'static str| {
        let (target, sums) = (&target, &sums);
        move || target.turn(|copy| measure(&shell(checksum, source.path(), copy, sums)))
    };
    let mut contenders = [
        Contender::new("`cp`, nothing more", by_hand("true")),
        Contender::new("`cp`, then `sha256sum`", by_hand("xargs -0 sha256sum")),
        Contender::new("`cp`, then `openssl sha256`", by_hand("xargs -0 openssl sha256")),
        Contender::new("`run`, collecting only", || {
            target.turn(|_| jobs.cost(source.path(), |command| command))
        }),
        Contender::new("`run --output DIRECTORY`", || {
            target
                .turn(|copy| jobs.cost(source.path(), |command| command.arg("--output").arg(copy)))
        }),
    ];
    compete(&material.title(), &mut contenders, rounds)?;
    print(&material.title(), &contenders);
    Ok(())
}

/// Where copies are made.
struct Target {
    folder: Folder,
    /// Whether copies are removed only at the end. Ext4 does not use an inode again for minutes, and
    /// looks for another one all the longer, so that with many files each turn would slow the next.
    keeps: bool,
    turns: Cell<u32>,
}

impl Target {
    fn new(material: Material) -> Result<Self> {
        let folder = Folder::empty(scratch("target")?)?;
        Ok(Self { folder, keeps: material.bytes < LARGE, turns: Cell::new(0) })
    }

    /// Measures something that makes a copy.
    fn turn(&self, act: impl FnOnce(&Path) -> Result<Cost>) -> Result<Cost> {
        if !self.keeps {
            self.folder.clear()?;
        }
        let status = Command::new("sync").arg("--file-system").arg(self.folder.path()).status();
        status.context("failed to start `sync`")?;
        self.turns.set(self.turns.get() + 1);
        act(&self.folder.path().join(self.turns.get().to_string()))
    }
}

/// Copies a folder, waits until the copies are on disk, and takes their checksums by a command.
fn shell(checksum: &str, source: &Path, copy: &Path, sums: &Path) -> Command {
    let script = format!(
        "cp -r \"$1\" \"$2\" && sync -f \"$2\" && find \"$2\" -type f -print0 | {checksum} > \"$3\""
    );
    let mut command = Command::new("sh");
    command.args(["-e", "-c", &script, "sh"]).args::<[PathBuf; 3], _>([
        source.to_owned(),
        copy.to_owned(),
        sums.to_owned(),
    ]);
    command
}
