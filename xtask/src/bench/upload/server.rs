//! The server that every client uploads to: s3s-fs, as the example `s3-server` of the support for tests,
//! or Garage.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::garage::{self, Garage};
use super::{BUCKET, REMOTE};
use crate::bench::access::{Background, process};
use crate::bench::material::Folder;
use crate::command::{program, root, run};

/// Which server.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(super) enum Kind {
    /// s3s-fs, built with this workspace: writes each part to a file, and at the end all parts to another one
    S3sFs,
    /// Garage, which does not copy parts; installed below `target/bench/` with `cargo install` when it is missing
    /// there, for which 450 crates are built
    Garage,
}

/// The credentials of a client.
#[derive(Clone, Copy)]
pub(super) struct Key {
    pub(super) id: &'static str,
    pub(super) secret: &'static str,
}

/// The one that the example knows.
const KEY: Key = Key { id: "benchmark", secret: "benchmark" };

/// A server that can be started.
pub(super) struct Program {
    kind: Kind,
    path: PathBuf,
}

impl Program {
    /// Builds or installs it, optimized.
    pub(super) fn provide(kind: Kind) -> Result<Self> {
        let path = match kind {
            Kind::S3sFs => build()?,
            Kind::Garage => garage::provide()?,
        };
        Ok(Self { kind, path })
    }
}

fn build() -> Result<PathBuf> {
    let target = root().join("target");
    let package = "--package chutes-test-support --features s3 --example s3-server";
    let mut cargo = program("cargo", &format!("build --release {package}"));
    run(cargo.arg("--target-dir").arg(&target))?;
    Ok(target.join("release").join("examples").join("s3-server"))
}

/// A server that runs, and ends when this is dropped.
pub(super) struct Server {
    running: Running,
    url: String,
    store: Folder,
}

enum Running {
    S3sFs(Ended),
    /// With the process, as long as it is not being started again.
    Garage(Garage, Option<Background>),
}

/// A process that is ended when this is dropped.
struct Ended(Child);

impl Server {
    pub(super) fn start(program: &Program, store: Folder) -> Result<Self> {
        let (url, running) = match program.kind {
            Kind::S3sFs => {
                make_bucket(&store)?;
                let (url, child) = start_s3s_fs(&program.path, store.path())?;
                (url, Running::S3sFs(child))
            }
            Kind::Garage => {
                let garage = Garage::configure(&program.path, store.path())?;
                let process = garage.start()?;
                (garage.url(), Running::Garage(garage, Some(process)))
            }
        };
        Ok(Self { running, url, store })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    fn key(&self) -> Key {
        match self.running {
            Running::S3sFs(_) => KEY,
            Running::Garage(..) => garage::KEY,
        }
    }

    /// Makes a command use this server.
    pub(super) fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", self.key().id)
            .env("AWS_SECRET_ACCESS_KEY", self.key().secret)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // There is no TLS, and rclone refuses to start with it.
            .env_remove("AWS_CA_BUNDLE")
    }

    /// Removes all objects, and what the server keeps beside them.
    pub(super) fn clear(&mut self) -> Result<()> {
        match &mut self.running {
            Running::S3sFs(_) => {
                self.store.clear()?;
                make_bucket(&self.store)
            }
            Running::Garage(garage, process) => {
                *process = None;
                self.store.clear()?;
                *process = Some(garage.start()?);
                Ok(())
            }
        }
    }

    /// The time of the processors that it has used since it was started.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let pid = match &self.running {
            Running::S3sFs(child) => child.0.id(),
            Running::Garage(_, process) => process.as_ref().context("it does not run")?.pid(),
        };
        process::cpu(pid)
    }

    /// Makes sure that there is an object.
    pub(super) fn expect(&self, key: &str) -> Result<()> {
        let mut command = Command::new("rclone");
        let endpoint = format!("--s3-endpoint={}", self.url);
        command.args(["lsf", "--config=", &endpoint]).arg(format!("{REMOTE}:{BUCKET}/{key}"));
        let listed = self.environment(&mut command).output().context("failed to start rclone")?;
        let name = key.rsplit('/').next().unwrap_or_default();
        ensure!(listed.stdout == format!("{name}\n").as_bytes(), "there is no object `{key}`");
        Ok(())
    }
}

/// Starts it in a folder, in which each folder is a bucket.
fn start_s3s_fs(program: &Path, store: &Path) -> Result<(String, Ended)> {
    let mut child = Command::new(program)
        .arg(store)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to start `{}`", program.display()))?;
    let mut url = String::new();
    let stdout = child.stdout.take();
    let child = Ended(child);
    let stdout = stdout.context("the server has no output")?;
    BufReader::new(stdout).read_line(&mut url).context("the server says nothing")?;
    let url = url.trim_end().to_owned();
    ensure!(url.starts_with("http://"), "the server says `{url}` in the place of its URL");
    Ok((url, child))
}

fn make_bucket(store: &Folder) -> Result<()> {
    fs::create_dir(store.path().join(BUCKET)).context("failed to make the bucket")
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
