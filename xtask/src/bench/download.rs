//! `cargo xtask bench-download`: fetching the input volumes of a run, against curl.

mod server;

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use self::server::{REPOSITORY, Server};
use super::contest::{Contender, Cost, compete, measure, print, scratch};
use super::engine::build_chutes;
use super::jobs::{Jobs, phase};
use super::material::{Folder, Material};
use crate::test::tools::provide_from_debian;

/// Prints Markdown tables to standard output. `docs/benchmarks.md` says how to read them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    rounds: u32,
    /// The size of the large file, in MB
    #[arg(long, value_name = "MB", default_value_t = 1_000)]
    large: u32,
    /// How many files of 1 MB there are
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    small: u32,
}

/// Measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("time --version", "time")?;
    provide_from_debian("curl --version", "curl")?;
    let programs = Programs { chutes: build_chutes()?, jobs: Jobs::build()? };
    for material in [
        Material { count: arguments.small, bytes: 1_000_000 },
        Material { count: 1, bytes: u64::from(arguments.large) * 1_000_000 },
    ] {
        let source = material.write(&scratch("source")?)?;
        let files = files(source.path())?;
        let server = Server::start(source.path(), list(&files, material.bytes))?;
        let turns = Folder::empty(scratch("downloads")?)?;
        let contest =
            Contest { programs: &programs, server, files, turns, turn: Cell::new(0), material };
        contest.hold(arguments.rounds)?;
    }
    Ok(())
}

struct Programs {
    chutes: PathBuf,
    jobs: Jobs,
}

/// A file that is fetched.
struct Input {
    /// Its path on the server.
    path: String,
    sha256: String,
}

/// All files with their checksums, as `sha256sum` prints them.
fn files(source: &Path) -> Result<Vec<Input>> {
    let mut sums = Command::new("sh");
    sums.args(["-c", "find . -type f -exec sha256sum {} +"]).current_dir(source);
    let printed = sums.output().context("failed to start `sh`")?;
    let lines = String::from_utf8(printed.stdout).context("a path is not text")?;
    let input = |line: &str| {
        let (sha256, path) = line.split_once("  .").context("`sha256sum` prints other lines")?;
        Ok(Input { path: path.to_owned(), sha256: sha256.to_owned() })
    };
    lines.lines().map(input).collect()
}

/// The list of the Hub for these files, all of this size.
fn list(files: &[Input], bytes: u64) -> String {
    let entry = |file: &Input| {
        let large = json!({"oid": file.sha256, "size": bytes});
        json!({"type": "file", "path": &file.path[1..], "size": bytes, "lfs": large})
    };
    files.iter().map(entry).collect::<Value>().to_string()
}

struct Contest<'a> {
    programs: &'a Programs,
    server: Server,
    files: Vec<Input>,
    turns: Folder,
    turn: Cell<u32>,
    material: Material,
}

impl Contest<'_> {
    fn hold(&self, rounds: u32) -> Result<()> {
        let title = self.material.title();
        let specs = self.turns.path().with_extension("specs");
        let specs = Folder::empty(specs)?;
        let plain = self.spec(&specs.path().join("plain.json"), &self.volumes(false))?;
        let known = self.spec(&specs.path().join("known.json"), &self.volumes(true))?;
        let hub = json!({"/volume": {"type": "huggingface", "repo_id": REPOSITORY}});
        let hub = self.spec(&specs.path().join("hub.json"), &hub)?;
        let cache = scratch("download-cache")?;
        let cache = Folder::empty(cache)?;
        let config = self.configuration(specs.path())?;
        // The cache is filled before it is measured. The Hub has files of the same content.
        self.exec(&known, Some(cache.path()))?;
        let mut contenders = [
            Contender::new("`curl --parallel`", || self.curl(&config)),
            Contender::new("`chutes exec`, from the cache", || {
                self.exec(&known, Some(cache.path()))
            }),
            Contender::new("`chutes exec`, Hub, from the cache", || {
                self.exec(&hub, Some(cache.path()))
            }),
            Contender::new("`chutes exec`, no cache", || self.exec(&plain, None)),
        ];
        compete(&title, &mut contenders, rounds)?;
        print(&title, &contenders);
        Ok(())
    }

    /// An empty folder, below one that has what the turn before has left.
    fn fresh(&self) -> Result<PathBuf> {
        self.turns.clear()?;
        self.turn.set(self.turn.get() + 1);
        Ok(self.turns.path().join(self.turn.get().to_string()))
    }

    /// One volume for each file; the cache knows what has a checksum.
    fn volumes(&self, known: bool) -> Value {
        let volume = |file: &Input| {
            let url = self.server.url(&file.path);
            let mut volume = json!({"type": "http", "url": url});
            if known {
                volume["sha256"] = file.sha256.clone().into();
            }
            (format!("/volume{}", file.path), volume)
        };
        self.files.iter().map(volume).collect::<Map<String, Value>>().into()
    }

    /// A spec that does nothing but to have these inputs.
    fn spec(&self, path: &Path, volumes: &Value) -> Result<PathBuf> {
        let app = self.programs.jobs.path().to_string_lossy();
        let data = json!({"epochs": 1});
        let spec = json!({"app": app, "job": "echo", "data": data, "input_volumes": volumes});
        fs::write(path, spec.to_string())?;
        Ok(path.to_owned())
    }

    /// The same files for curl.
    fn configuration(&self, folder: &Path) -> Result<PathBuf> {
        let lines = self.files.iter().map(|file| {
            let url = self.server.url(&file.path);
            format!("url = \"{url}\"\noutput = \".{}\"\n", file.path)
        });
        let path = folder.join("curl");
        fs::write(&path, lines.collect::<Vec<_>>().concat())?;
        Ok(path)
    }

    fn curl(&self, config: &Path) -> Result<Cost> {
        let target = self.fresh()?;
        fs::create_dir(&target)?;
        let mut curl = Command::new("curl");
        curl.args(["--fail", "--silent", "--show-error", "--parallel", "--create-dirs"]);
        curl.args(["--parallel-max", "16", "--config"]).arg(config).current_dir(&target);
        let cost = measure(&curl)?;
        self.check(&target)?;
        Ok(cost)
    }

    /// The cost of the inputs, without what comes before and after: its wall time is that of the
    /// phase in which they are fetched.
    fn exec(&self, spec: &Path, cache: Option<&Path>) -> Result<Cost> {
        let directory = self.fresh()?;
        let mut command = Command::new(&self.programs.chutes);
        command.arg("exec").arg(spec).args(["--allow-address", "127.0.0.1"]);
        command.arg("--run-dir").arg(&directory).env("HF_ENDPOINT", self.server.url(""));
        match cache {
            Some(cache) => command.arg("--cache-dir").arg(cache),
            None => command.arg("--no-cache"),
        };
        let cost = measure(&command)?;
        self.check(&directory.join("inputs"))?;
        Ok(Cost { wall: phase(&directory, "download")?, ..cost })
    }

    /// Makes sure that all files are there, with all of their bytes.
    fn check(&self, target: &Path) -> Result<()> {
        for file in &self.files {
            let path = target.join(file.path.trim_start_matches('/'));
            let bytes = fs::metadata(&path).with_context(|| format!("no `{}`", path.display()))?;
            ensure!(bytes.len() == self.material.bytes, "`{}` is not whole", path.display());
        }
        Ok(())
    }
}
