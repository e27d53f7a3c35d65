//! The cost of open connections.

use std::io::Read;
use std::process::Stdio;

use anyhow::{Context, Result};

use super::server::Target;
use crate::bench::access::process::{Memory, memory_of};
use crate::bench::table;
use crate::command::program;

/// Opens connections one by one, gets one answer on each, and reports when all of them are idle.
const SCRIPT: &str = include_str!("idle.py");

/// Opens this many connections to each.
pub(super) fn measure(targets: &[Target], count: u32) -> Result<()> {
    let title = format!("{count} idle connections");
    eprintln!("\n==> {title}");
    let rows = targets.iter().filter(|target| target.is_tls()).map(|target| {
        let processes = target.processes();
        let before = memory_of(&processes);
        let mut client = program("python3", "-c");
        client.arg(SCRIPT).arg(target.port.to_string()).arg(count.to_string());
        let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let said = client.stdout.as_mut().context("no output")?.read_exact(&mut [0]);
        let after = memory_of(&processes);
        // The end of its input ends it.
        drop(client.stdin.take());
        client.wait()?;
        said.with_context(|| format!("{}: not all connections are open", target.title))?;
        let each = |of: fn(Memory) -> u64| {
            (of(after).saturating_sub(of(before)) / u64::from(count)).to_string()
        };
        let whole = |memory: Memory| (memory.shared_once / 1024).to_string();
        Ok(vec![
            target.title.to_owned(),
            whole(before),
            whole(after),
            each(|memory| memory.shared_once),
        ])
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let header = ["what", "MiB before", "MiB with them", "KiB for each"];
    table::print(&title, &header, &rows);
    Ok(())
}
