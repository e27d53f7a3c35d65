//! The server that every client uploads to: the example `s3-server` of the support for tests.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::BUCKET;
use crate::bench::material::Folder;
use crate::command::{program, root, run};

/// Key id and secret.
const KEY: &str = "benchmark";

/// Builds the server, optimized.
pub(super) fn build() -> Result<PathBuf> {
    let target = root().join("target");
    let package = "--package chutes-test-support --features s3 --example s3-server";
    let mut cargo = program("cargo", &format!("build --release {package}"));
    run(cargo.arg("--target-dir").arg(&target))?;
    Ok(target.join("release").join("examples").join("s3-server"))
}

/// A server that runs, and ends when this is dropped.
pub(super) struct Server {
    child: Child,
    url: String,
    store: Folder,
}

impl Server {
    pub(super) fn start(program: &Path, store: Folder) -> Result<Self> {
        make_bucket(&store)?;
        let mut child = Command::new(program)
            .arg(store.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start `{}`", program.display()))?;
        let mut url = String::new();
        let stdout = child.stdout.take().context("the server has no output")?;
        BufReader::new(stdout).read_line(&mut url).context("the server says nothing")?;
        let url = url.trim_end().to_owned();
        ensure!(url.starts_with("http://"), "the server says `{url}` in the place of its URL");
        Ok(Self { child, url, store })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Makes a command use this server.
    pub(super) fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", KEY)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_DEFAULT_REGION", "us-east-1")
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            // There is no TLS, and rclone refuses to start with it.
            .env_remove("AWS_CA_BUNDLE")
    }

    /// Removes all objects, and what the server keeps beside them.
    pub(super) fn clear(&self) -> Result<()> {
        self.store.clear()?;
        make_bucket(&self.store)
    }

    /// Makes sure that there is an object.
    pub(super) fn expect(&self, key: &str) -> Result<()> {
        ensure!(self.store.path().join(BUCKET).join(key).is_file(), "there is no object `{key}`");
        Ok(())
    }
}

fn make_bucket(store: &Folder) -> Result<()> {
    fs::create_dir(store.path().join(BUCKET)).context("failed to make the bucket")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
