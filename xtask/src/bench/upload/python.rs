//! Uploads by Python programs: see `put.py`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::BUCKET;
use super::server::Server;
use crate::bench::contest::{Cost, measure_with_output, scratch};
use crate::command::{root, run};
use crate::test::tools::provide_from_debian;

/// The libraries, in the versions that were measured.
const LIBRARIES: [&str; 2] = ["aiohttp==3.14.5", "boto3==1.44.5"];

/// An environment of its own with the libraries.
pub(super) struct Python(PathBuf);

impl Python {
    /// Makes the environment, below `target/`.
    pub(super) fn provide() -> Result<Self> {
        // The module `venv` may be there without the packages that it needs.
        provide_from_debian("python3 -m ensurepip --version", "python3-venv")?;
        let environment = scratch("python")?;
        let python = environment.join("bin").join("python");
        let there = |library: &&'static str| {
            let name = library.split('=').next().unwrap_or_default();
            let import = Command::new(&python).args(["-c", &format!("import {name}")]).output();
            import.is_ok_and(|output| output.status.success())
        };
        if !LIBRARIES.iter().all(there) {
            run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
            run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(LIBRARIES))?;
        }
        Ok(Self(python))
    }

    fn script(&self) -> Command {
        let mut command = Command::new(&self.0);
        command.arg(root().join("xtask/src/bench/upload/put.py"));
        command
    }

    /// Writes a list with a presigned URL for each file.
    pub(super) fn sign(&self, server: &Server, source: &Path) -> Result<PathBuf> {
        let urls = scratch("urls.json")?;
        let mut command = self.script();
        run(server.environment(&mut command).arg("sign").arg(source).arg(BUCKET).arg(&urls))?;
        Ok(urls)
    }

    /// One `PUT` for each file.
    pub(super) fn put(&self, source: &Path, urls: &Path) -> Result<Cost> {
        own_time(self.script().arg("put").arg(source).arg(urls))
    }

    /// The transfer manager of boto3.
    pub(super) fn boto3(&self, server: &Server, source: &Path) -> Result<Cost> {
        let mut command = self.script();
        own_time(server.environment(&mut command).arg("boto3").arg(source).arg(BUCKET))
    }
}

/// The cost of a script with the time that it has taken by itself.
fn own_time(command: &mut Command) -> Result<Cost> {
    let (cost, output) = measure_with_output(command)?;
    let seconds = output.trim().parse().ok();
    let wall = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Ok(Cost { wall: wall.with_context(|| format!("the script printed `{output}`"))?, ..cost })
}
