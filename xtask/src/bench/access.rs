//! A run with clients: what is measured by `bench-ssh` and `bench-front`.

pub(super) mod process;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::generated::{self, Profile};
use super::material::Folder;
use crate::command::{program, run, shown};

/// The jobs that are reached: one that only waits, and one that serves HTTP as fast as it can.
const SOURCE: &str = include_str!("access/jobs.rs.txt");

const DEPENDENCIES: &str = "chutes = { path = \"../../chutes\", features = [\"ssh\", \"streaming\"] }\n\
                            tokio = { version = \"1\", features = [\"io-util\", \"net\"] }";

/// How long a server may take until it can be reached, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// Builds the jobs, optimized.
pub(super) fn build_jobs() -> Result<PathBuf> {
    generated::build("bench-access", DEPENDENCIES, SOURCE, Profile::Release)
}

/// A server that goes on in the background until this is dropped.
#[derive(Debug)]
pub(super) struct Background(Child);

impl Background {
    /// Starts it. Its output goes to a file.
    pub(super) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let line = shown(command);
        let said = fs::File::create(log).context("no log")?;
        let errors = said.try_clone()?;
        let started = command.stdin(Stdio::null()).stdout(said).stderr(errors).spawn();
        Ok(Self(started.with_context(|| format!("failed to start `{line}`"))?))
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Tries again until there is an answer.
    pub(super) fn wait_for<T>(&mut self, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
        let begin = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return Ok(answer);
            }
            if let Some(status) = self.0.try_wait()? {
                bail!("it has ended with {status}");
            }
            if begin.elapsed() > PATIENCE {
                bail!("it cannot be reached after {PATIENCE:?}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // It has to end its own processes.
        let _ = run(program("kill", "-TERM").arg(self.pid().to_string()));
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if !matches!(self.0.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A run that can be reached.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) server: Background,
    events: Vec<Value>,
    // Removed when the run has ended.
    _folder: Folder,
}

impl Reached {
    /// Starts it in this folder, and waits for an event of this name.
    pub(super) fn start(run: &mut Command, folder: PathBuf, event: &str) -> Result<Self> {
        let folder = Folder::empty(folder)?;
        let path = folder.path().join("events");
        run.arg("--run-dir").arg(folder.path().join("run")).arg("--events").arg(&path);
        let log = folder.path().with_extension("log");
        let mut server = Background::start(run, &log)?;
        let events = server.wait_for(|| {
            let events = events(&path);
            events.iter().any(|one| is_named(one, event)).then_some(events)
        });
        let events = events.with_context(|| format!("no run; see `{}`", log.display()))?;
        Ok(Self { server, events, _folder: folder })
    }

    /// A field of the first event of this name.
    pub(super) fn field_of(&self, event: &str, field: &str) -> Result<&Value> {
        let found = self.events.iter().find(|one| is_named(one, event));
        let found = found.with_context(|| format!("no event `{event}`"))?;
        found.get(field).with_context(|| format!("event `{event}` has no `{field}`"))
    }
}

fn is_named(event: &Value, name: &str) -> bool {
    event.get("event").and_then(Value::as_str) == Some(name)
}

/// All events so far.
fn events(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
