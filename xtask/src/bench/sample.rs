//! Measured times.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::command::shown;

/// How long a command took.
#[derive(Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    /// Time of the processors, which depends less on what else the machine does.
    pub(crate) cpu: Duration,
}

/// Runs the command without showing it and measures it.
pub(crate) fn measure(command: &mut Command) -> Result<Sample> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let cpu_before = cpu_of_children()?;
    let start = Instant::now();
    let status = command.status();
    let wall = start.elapsed();
    let status = status.with_context(|| format!("failed to start `{}`", shown(command)))?;
    ensure!(status.success(), "`{}` failed with {status}", shown(command));
    Ok(Sample { wall, cpu: cpu_of_children()?.saturating_sub(cpu_before) })
}

/// The processor time of ended child processes, with a resolution of 10 ms.
fn cpu_of_children() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").context("failed to read `/proc/self/stat`")?;
    // See proc_pid_stat(5): the second field may contain spaces and ends with a parenthesis; of
    // those after it, the fourteenth and fifteenth are `cutime` and `cstime`.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(13).take(2).map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<u64, _>>().context("unknown form of `/proc/self/stat`")?;
    Ok(Duration::from_millis(ticks * 10))
}

/// The sample in the middle.
pub(crate) fn median(samples: impl Iterator<Item = Duration>) -> Duration {
    let mut samples: Vec<Duration> = samples.collect();
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        for (samples, expected) in [(vec![], 0), (vec![3], 3), (vec![9, 1, 2], 2)] {
            let samples = samples.into_iter().map(Duration::from_millis);
            assert_eq!(median(samples), Duration::from_millis(expected));
        }
    }

    #[test]
    fn processor_time_is_counted() {
        let mut busy = Command::new("sh");
        busy.args(["-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"]);
        let sample = measure(&mut busy).unwrap();
        assert!(sample.cpu > Duration::ZERO);
    }
}
