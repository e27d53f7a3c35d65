//! `cargo xtask bench-run`: what a run of an empty job costs on top of starting a process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::contest::scratch;
use super::generated::{self, Profile};
use super::material::Folder;
use super::sample::{Sample, measure, median};
use super::table;

/// Prints a Markdown table to standard output. `docs/benchmarks.md` says how to read it.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is started
    #[arg(long, value_name = "NUMBER", default_value_t = 200)]
    starts: u32,
    /// A directory on the disk that runs are kept on
    #[arg(long, value_name = "PATH")]
    disk: Option<PathBuf>,
    /// A directory in memory, where waiting for the disk costs nothing
    #[arg(long, value_name = "PATH", default_value = "/dev/shm")]
    memory: PathBuf,
}

/// The first starts read the binary from disk and are not counted.
const WARM_UP: u32 = 5;

/// How long the machine is left alone before each start. For some milliseconds after a process was moved
/// into a cgroup the kernel moves another one much faster, and runs do not follow each other like that.
const PAUSE: Duration = Duration::from_millis(50);

/// A way to start something.
struct Row {
    title: &'static str,
    binary: PathBuf,
    arguments: &'static [&'static str],
    /// Where runs go; each gets a directory of its own.
    runs: Option<PathBuf>,
    samples: Vec<Sample>,
}

/// Builds an empty job and measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let binary = generated::build("bench-run", generated::DEFAULT, SOURCE, Profile::Release)?;
    let disk = arguments.disk.clone().map_or_else(|| scratch("runs"), Ok)?;
    let memory = arguments.memory.join(format!("chutes-bench-{}", std::process::id()));
    let memory = Folder::empty(memory)?;
    let row = |title, binary: &Path, arguments, runs: Option<&Path>| Row {
        title,
        binary: binary.to_owned(),
        arguments,
        runs: runs.map(Path::to_owned),
        samples: Vec::new(),
    };
    let mut rows = [
        row("`true`", Path::new("/bin/true"), &[], None),
        row("the job binary, `list`", &binary, &["list"], None),
        row("`run`, directory in memory", &binary, &["run", "nothing"], Some(memory.path())),
        row("`run`, directory on disk", &binary, &["run", "nothing"], Some(&disk)),
    ];
    eprintln!("\n==> an empty job");
    for round in 0..arguments.starts + WARM_UP {
        for row in &mut rows {
            let sample = row.start(round)?;
            if round >= WARM_UP {
                row.samples.push(sample);
            }
        }
    }
    print(&format!("an empty job, {} times each", arguments.starts), &rows);
    Ok(())
}

impl Row {
    fn start(&self, round: u32) -> Result<Sample> {
        std::thread::sleep(PAUSE);
        let mut command = Command::new(&self.binary);
        command.args(self.arguments).stderr(std::process::Stdio::null());
        let Some(runs) = &self.runs else { return measure(&mut command) };
        let directory = runs.join(round.to_string());
        let sample = measure(command.arg("--run-dir").arg(&directory))?;
        fs::remove_dir_all(&directory).context("a run has left no directory")?;
        Ok(sample)
    }

    fn times(&self) -> (f64, f64) {
        let walls = || self.samples.iter().map(|sample| sample.wall);
        let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
        (millis(median(walls())), millis(walls().min().unwrap_or_default()))
    }
}

fn print(title: &str, rows: &[Row]) {
    let floor = rows.get(1).map_or((0.0, 0.0), Row::times);
    let rows = rows.iter().map(|row| {
        let (median, fastest) = row.times();
        let numbers = [
            median,
            fastest,
            median - floor.0,
            fastest - floor.1,
            median / floor.0,
            fastest / floor.1,
        ];
        let numbers = numbers.map(|number| format!("{number:.2}"));
        std::iter::once(row.title.to_owned()).chain(numbers).collect()
    });
    let header = [
        "what",
        "median ms",
        "min ms",
        "median over `list`",
        "min over `list`",
        "median / `list`",
        "min / `list`",
    ];
    table::print(title, &header, &rows.collect::<Vec<_>>());
}

const SOURCE: &str = "//! A job that does nothing.

#[chutes::job]
async fn nothing(_ctx: chutes::JobContext) -> Result<(), chutes::JobError> {
    Ok(())
}

fn main() -> std::process::ExitCode {
    chutes::main()
}
";
