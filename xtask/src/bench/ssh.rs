//! `cargo xtask bench-ssh`: the SSH server of a run, against the one of OpenSSH.

mod connect;
mod idle;
mod server;
mod transfer;

use std::path::PathBuf;

use anyhow::Result;

use self::server::{Keys, Server};
use super::access::build_jobs;
use super::contest::scratch;
use super::material::Folder;
use crate::test::tools::provide_from_debian;

/// Prints Markdown tables to standard output. `docs/benchmarks.md` says how to read them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each server is connected to
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    connections: u32,
    /// How often files are copied
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    rounds: u32,
    /// The size of the file that is copied, in MB
    #[arg(long, value_name = "MB", default_value_t = 1_000)]
    size: u32,
    /// How many are logged in and idle at a time; one run lets in 64
    #[arg(long, value_name = "NUMBER", default_value_t = 60)]
    idle: u32,
    /// A directory in memory, for the files on both sides
    #[arg(long, value_name = "PATH", default_value = "/dev/shm")]
    memory: PathBuf,
}

/// Measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("time --version", "time")?;
    provide_from_debian("ssh -V", "openssh-client")?;
    provide_from_debian("test -x /usr/sbin/sshd", "openssh-server")?;
    let jobs = build_jobs()?;
    let keys = Keys::make(Folder::empty(scratch("ssh")?)?)?;
    let servers = [Server::openssh(&keys)?, Server::run(&jobs, &keys)?];
    connect::measure(&servers, &keys, arguments.connections)?;
    idle::measure(&servers, &keys, arguments.idle)?;
    let name = format!("chutes-bench-ssh-{}", std::process::id());
    let files = Folder::empty(arguments.memory.join(name))?;
    transfer::measure(&servers, &keys, &files, arguments.size, arguments.rounds)
}
