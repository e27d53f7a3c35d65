//! How long it takes to connect, run a command, and disconnect.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::server::{HOST, Keys, Server};
use crate::bench::sample::{measure as run_measured, median};
use crate::bench::table;

/// The first connections read programs from disk and make the host known. They are not counted.
const WARM_UP: u32 = 3;

/// What runs in a terminal: a shell that reads no files of the user first.
const SHELL: &str = "exec sh";

/// The input, whose answer differs from its echo.
const TYPED: &[u8] = b"echo rea''dy\n";
const ANSWER: &[u8] = b"ready";

/// Connects to the servers in turns.
pub(super) fn measure(servers: &[Server], keys: &Keys, times: u32) -> Result<()> {
    eprintln!("\n==> connecting");
    let mut commands = vec![Vec::new(); servers.len()];
    let mut terminals = commands.clone();
    for round in 0..times + WARM_UP {
        for (number, server) in servers.iter().enumerate() {
            let mut ssh = keys.client("ssh", server);
            let command = run_measured(ssh.args([HOST, "true"]))?.wall;
            let terminal = until_answer(keys.client("ssh", server).args(["-tt", HOST, SHELL]))?;
            server.settle()?;
            if round >= WARM_UP {
                commands[number].push(command);
                terminals[number].push(terminal);
            }
        }
    }
    print(&format!("`ssh {HOST} true`, {times} times each"), servers, &commands);
    print(&format!("to the first answer of a terminal, {times} times each"), servers, &terminals);
    Ok(())
}

/// From the start of the client until a shell in a terminal has answered.
fn until_answer(ssh: &mut Command) -> Result<Duration> {
    let begin = Instant::now();
    ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut client = ssh.spawn().context("failed to start `ssh`")?;
    let (mut input, mut output) =
        (client.stdin.take().context("no input")?, client.stdout.take().context("no output")?);
    input.write_all(TYPED)?;
    let (mut said, mut part) = (Vec::new(), [0; 4096]);
    while !said.windows(ANSWER.len()).any(|window| window == ANSWER) {
        let count = output.read(&mut part)?;
        ensure!(count > 0, "the shell has said {:?} only", String::from_utf8_lossy(&said));
        said.extend_from_slice(&part[..count]);
    }
    let time = begin.elapsed();
    input.write_all(b"exit\n")?;
    drop(input);
    std::io::copy(&mut output, &mut std::io::sink())?;
    client.wait()?;
    Ok(time)
}

fn print(title: &str, servers: &[Server], times: &[Vec<Duration>]) {
    let millis = |time: Duration| time.as_secs_f64() * 1_000.0;
    let of = |times: &Vec<Duration>| {
        let fastest = times.iter().min().copied().unwrap_or_default();
        (millis(median(times.iter().copied())), millis(fastest))
    };
    let first = times.first().map_or((0.0, 0.0), of);
    let rows = servers.iter().zip(times).map(|(server, times)| {
        let (median, fastest) = of(times);
        let numbers = [median, fastest, median / first.0, fastest / first.1];
        let numbers = numbers.map(|number| format!("{number:.2}"));
        std::iter::once(server.title.to_owned()).chain(numbers).collect()
    });
    let header = ["server", "median ms", "min ms", "median / OpenSSH", "min / OpenSSH"];
    table::print(title, &header, &rows.collect::<Vec<_>>());
}
