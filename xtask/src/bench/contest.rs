//! Commands that are compared with each other: measured in turns, then shown in one table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::sample::median;
use super::table;
use crate::command::{root, shown};

/// The cost of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// Time of the processors, to 10 ms, of the command and of what it has waited for.
    pub(crate) cpu: Duration,
    /// The most memory that one of its processes had at a time, in KiB.
    pub(crate) peak: u64,
    /// Time of the processors that servers have used for it meanwhile, where that is measured.
    pub(crate) served: Option<Duration>,
}

/// Runs a command and measures it with GNU time. Its output is shown only when it fails.
pub(crate) fn measure(command: &Command) -> Result<Cost> {
    Ok(measure_with_output(command)?.0)
}

/// The same, with what it prints to standard output.
pub(crate) fn measure_with_output(command: &Command) -> Result<(Cost, String)> {
    let (cost, output) = timed(command, Stdio::piped())?;
    Ok((cost, String::from_utf8_lossy(&output.stdout).into_owned()))
}

/// The same for a command whose standard output goes to a file.
pub(crate) fn measure_into(command: &Command, path: &Path) -> Result<Cost> {
    let file = fs::File::create(path).with_context(|| format!("no `{}`", path.display()))?;
    Ok(timed(command, file.into())?.0)
}

/// Measures something, and the time of the processors that a server uses for it meanwhile.
pub(crate) fn served(
    cpu: impl Fn() -> Result<Duration>,
    act: impl FnOnce() -> Result<Cost>,
) -> Result<Cost> {
    let before = cpu()?;
    let cost = act()?;
    Ok(Cost { served: Some(cpu()?.saturating_sub(before)), ..cost })
}

fn timed(command: &Command, stdout: Stdio) -> Result<(Cost, Output)> {
    let report = scratch("time.txt")?;
    let mut timed = Command::new("time");
    timed.args(["--format", "%U %S %M", "--output"]).arg(&report);
    timed.arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => timed.env(name, value),
            None => timed.env_remove(name),
        };
    }
    timed.current_dir(command.get_current_dir().unwrap_or(&root()));
    timed.stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    let start = Instant::now();
    let child = timed.spawn().context("failed to start `time`")?;
    let output = child.wait_with_output().context("no end of `time`")?;
    let wall = start.elapsed();
    let message = String::from_utf8_lossy(&output.stderr);
    let line = shown(command);
    ensure!(output.status.success(), "`{line}` failed with {}:\n{message}", output.status);
    let report = fs::read_to_string(&report).context("`time` has written nothing")?;
    let (cpu, peak) = parse(&report).with_context(|| format!("`time` wrote `{report}`"))?;
    Ok((Cost { wall, cpu, peak, served: None }, output))
}

/// From what `time` writes: seconds in programs, seconds in the kernel, KiB.
fn parse(report: &str) -> Option<(Duration, u64)> {
    let mut fields = report.split_whitespace();
    let mut seconds = || fields.next()?.parse::<f64>().ok();
    let cpu = Duration::try_from_secs_f64(seconds()? + seconds()?).ok()?;
    Some((cpu, fields.next()?.parse().ok()?))
}

/// A place for files that the benchmarks need in passing.
pub(crate) fn scratch(name: &str) -> Result<PathBuf> {
    let folder = root().join("target").join("bench");
    fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make `{}`", folder.display()))?;
    Ok(folder.join(name))
}

/// One of the compared ways to do something.
pub(crate) struct Contender<'a> {
    title: String,
    act: Box<dyn FnMut() -> Result<Cost> + 'a>,
    costs: Vec<Cost>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(title: impl Into<String>, act: impl FnMut() -> Result<Cost> + 'a) -> Self {
        Self { title: title.into(), act: Box::new(act), costs: Vec::new() }
    }

    fn walls(&self) -> impl Iterator<Item = Duration> {
        self.costs.iter().map(|cost| cost.wall)
    }

    fn median(&self) -> f64 {
        median(self.walls()).as_secs_f64()
    }

    fn served(&self) -> Option<f64> {
        let served: Option<Vec<_>> = self.costs.iter().map(|cost| cost.served).collect();
        served.map(|served| median(served.into_iter()).as_secs_f64())
    }

    fn fastest(&self) -> f64 {
        self.walls().min().unwrap_or_default().as_secs_f64()
    }
}

/// Lets each do its work this many times, in turns, so that other load affects all of them alike.
pub(crate) fn compete(title: &str, contenders: &mut [Contender<'_>], rounds: u32) -> Result<()> {
    eprintln!("\n==> {title}");
    for round in 1..=rounds {
        for contender in &mut *contenders {
            let cost = (contender.act)()?;
            let seconds = cost.wall.as_secs_f64();
            eprintln!("    round {round} of {rounds}: {seconds:7.3} s  {}", contender.title);
            contender.costs.push(cost);
        }
    }
    Ok(())
}

/// Prints the cost of each of them, and that of the last in relation to each.
pub(crate) fn print(title: &str, contenders: &[Contender<'_>]) {
    let is_served = contenders.iter().any(|one| one.served().is_some());
    let rows: Vec<_> =
        contenders.iter().map(|one| row(one, contenders.last(), is_served)).collect();
    let mut header =
        vec!["what", "median s", "min s", "CPU s", "peak MiB", "last / this", "last / this, min"];
    if is_served {
        header.insert(4, "server CPU s");
    }
    table::print(title, &header, &rows);
}

#[expect(clippy::cast_precision_loss, reason = "sizes are shown with few digits")]
fn row<'a>(one: &Contender<'a>, ours: Option<&Contender<'a>>, is_served: bool) -> Vec<String> {
    let cpu = median(one.costs.iter().map(|cost| cost.cpu)).as_secs_f64();
    let peak = one.costs.iter().map(|cost| cost.peak).max().unwrap_or_default() as f64;
    let ratio = |of: fn(&Contender<'a>) -> f64| ours.map_or(0.0, of) / of(one);
    let mut row = vec![
        one.title.clone(),
        format!("{:.2}", one.median()),
        format!("{:.2}", one.fastest()),
        format!("{cpu:.2}"),
        format!("{:.0}", peak / 1024.0),
        format!("{:.2}", ratio(Contender::median)),
        format!("{:.2}", ratio(Contender::fastest)),
    ];
    if is_served {
        row.insert(4, one.served().map(|served| format!("{served:.2}")).unwrap_or_default());
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let cpu = Duration::from_millis(1_500);
        for (report, expected) in [
            ("1.25 0.25 4096\n", Some((cpu, 4096))),
            ("1.25 0.25\n", None),
            ("Command exited with non-zero status 1\n1.25 0.25 4096\n", None),
            ("-1 0 4096\n", None),
        ] {
            assert_eq!(parse(report), expected, "{report}");
        }
    }
}
