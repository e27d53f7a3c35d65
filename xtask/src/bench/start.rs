//! How long a binary needs to start, list its jobs and end.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::crates::{Crates, HELLO};
use super::sample::{Sample, measure as run_measured, median};
use super::table;
use crate::command::run;

/// A binary and its arguments.
struct Start {
    title: &'static str,
    binary: PathBuf,
    arguments: &'static [&'static str],
    samples: Vec<Sample>,
}

/// Starts the release binaries in turns.
pub(crate) fn measure(crates: &Crates, starts: u32) -> Result<()> {
    let title = "start to end of the release binary";
    eprintln!("\n==> {title}");
    run(&mut crates.cargo(&format!("build --release -p {HELLO}")))?;
    let start = |title, name, arguments| {
        let binary = crates.binary("release", name);
        Start { title, binary, arguments, samples: Vec::new() }
    };
    let mut rows = [
        start("hello world", HELLO, &[]),
        start("`list` without jobs", "plain", &["list"]),
        start("`list` of the jobs", "job", &["list"]),
        start("`list --json` of the jobs", "job", &["list", "--json"]),
    ];
    // The first starts read the binaries from disk and are not counted.
    for round in 0..starts + 10 {
        for row in &mut rows {
            let sample = run_measured(Command::new(&row.binary).args(row.arguments))?;
            if round >= 10 {
                row.samples.push(sample);
            }
        }
    }
    print(&format!("{title}, {starts} times each"), &rows);
    Ok(())
}

fn print(title: &str, rows: &[Start]) {
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let times = |row: &Start| {
        let walls = || row.samples.iter().map(|sample| sample.wall);
        (millis(median(walls())), millis(walls().min().unwrap_or_default()))
    };
    let hello = rows.first().map_or((0.0, 0.0), times);
    let rows = rows.iter().map(|row| {
        let (median, fastest) = times(row);
        let numbers = [median, fastest, median - hello.0, fastest - hello.1];
        let numbers = numbers.map(|number| format!("{number:.2}"));
        std::iter::once(row.title.to_owned()).chain(numbers).collect()
    });
    let header = ["binary", "median ms", "min ms", "median over hello", "min over hello"];
    table::print(title, &header, &rows.collect::<Vec<_>>());
}
