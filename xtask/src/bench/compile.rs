//! How long the compiler needs to check a crate.

use std::fs::File;
use std::process::Command;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

use super::crates::{COMPARED, Crates};
use super::sample::{self, Sample, median};
use super::table;
use crate::command::run;

/// The row of a crate that has not been touched.
const NOTHING: &str = "cargo with nothing to do";

/// Checks the crates in turns, with and without the cache of the compiler.
pub(crate) fn measure(crates: &Crates, rounds: u32) -> Result<()> {
    measure_with(crates, rounds, "cargo check, source touched", "check")?;
    measure_with(crates, rounds, "cargo check, no incremental cache", "check --profile cold")
}

fn measure_with(crates: &Crates, rounds: u32, title: &str, subcommand: &str) -> Result<()> {
    eprintln!("\n==> {title}");
    run(&mut crates.cargo(&format!("{subcommand} --workspace")))?;
    let mut rows: Vec<(&str, Vec<Sample>)> = vec![(NOTHING, Vec::new())];
    rows.extend(COMPARED.iter().map(|variant| (variant.name, Vec::new())));
    for round in 0..rounds {
        eprintln!("    round {} of {rounds}", round + 1);
        for (name, samples) in &mut rows {
            samples.push(check(crates, subcommand, name)?);
        }
    }
    print(title, &rows);
    Ok(())
}

/// Checks one crate. Its dependencies are brought up to date before the clock starts.
fn check(crates: &Crates, subcommand: &str, name: &str) -> Result<Sample> {
    let package = if name == NOTHING { COMPARED[0].name } else { name };
    let command = || -> Command {
        crates.cargo(&format!("{subcommand} --package {package} --frozen --quiet"))
    };
    sample::measure(&mut command())?;
    if name != NOTHING {
        touch(crates, name)?;
    }
    sample::measure(&mut command())
}

fn touch(crates: &Crates, name: &str) -> Result<()> {
    let path = crates.source(name);
    let file = File::options().append(true).open(&path);
    file.and_then(|file| file.set_modified(SystemTime::now()))
        .with_context(|| format!("failed to touch `{}`", path.display()))
}

fn print(title: &str, rows: &[(&str, Vec<Sample>)]) {
    let median_of = |name: &str| {
        let row = rows.iter().find(|row| row.0 == name);
        row.map_or(Duration::ZERO, |row| median(row.1.iter().map(|sample| sample.wall)))
    };
    let ratio = |name: &str, other: &str| {
        if name == NOTHING {
            return String::new();
        }
        format!("{:.2}", median_of(name).as_secs_f64() / median_of(other).as_secs_f64())
    };
    let seconds = |time: Duration| format!("{:.3}", time.as_secs_f64());
    let rows = rows.iter().map(|(name, samples)| {
        let fastest = samples.iter().map(|sample| sample.wall).min().unwrap_or_default();
        let cpu = median(samples.iter().map(|sample| sample.cpu));
        let times = [median_of(name), fastest, cpu].map(seconds);
        let ratios = [ratio(name, "plain"), ratio(name, "instrument")];
        std::iter::once((*name).to_owned()).chain(times).chain(ratios).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let header = ["crate", "median s", "min s", "CPU s", "/ plain", "/ instrument"];
    table::print(title, &header, &rows);
}
