//! The cost of an idle session.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use super::server::{HOST, Keys, Server};
use crate::bench::access::process::{Memory, memory};
use crate::bench::table;

/// Logs in this many times, and lets each session run a command that does nothing.
pub(super) fn measure(servers: &[Server], keys: &Keys, count: u32) -> Result<()> {
    eprintln!("\n==> {count} idle sessions");
    let rows = servers.iter().map(|server| {
        server.settle()?;
        let before = memory(server.pid)?;
        let clients: Result<Vec<Client>> =
            (0..count).map(|_| Client::log_in(keys.client("ssh", server).arg(HOST))).collect();
        let clients = clients?;
        let after = memory(server.pid)?;
        drop(clients);
        server.settle()?;
        let each = |of: fn(Memory) -> u64| {
            let grown = of(after).saturating_sub(of(before));
            (grown / u64::from(count)).to_string()
        };
        Ok(vec![
            server.title.to_owned(),
            each(|memory| memory.resident),
            each(|memory| memory.shared_once),
        ])
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    let header = ["server", "KiB for each", "KiB for each, what is shared counted once"];
    table::print(&format!("{count} idle sessions"), &header, &rows);
    Ok(())
}

/// A client with an open session.
struct Client(Child);

impl Client {
    /// Returns when the command runs.
    fn log_in(ssh: &mut Command) -> Result<Self> {
        ssh.arg("echo; exec cat").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = Self(ssh.spawn().context("failed to start `ssh`")?);
        let output = client.0.stdout.as_mut().context("no output")?;
        output.read_exact(&mut [0]).context("the client was not let in")?;
        Ok(client)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
