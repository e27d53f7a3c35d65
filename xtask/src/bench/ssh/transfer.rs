//! Copying a large file, both ways.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::server::{HOST, Keys, Server};
use crate::bench::access::process;
use crate::bench::contest::measure as run_measured;
use crate::bench::material::{Folder, Material};
use crate::bench::sample::median;
use crate::bench::table;

/// What clients prefer by default, and what is fastest on processors that know AES.
const CIPHERS: [&str; 2] = ["chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com"];

/// One way to copy a file.
#[derive(Clone, Copy)]
struct Way {
    program: &'static str,
    is_up: bool,
    cipher: &'static str,
}

/// The cost of a copy.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    server: Duration,
    client: Duration,
}

/// Copies with each program in both directions, from and to the servers in turns.
pub(super) fn measure(
    servers: &[Server],
    keys: &Keys,
    folder: &Folder,
    megabytes: u32,
    rounds: u32,
) -> Result<()> {
    let material = Material { count: 1, bytes: u64::from(megabytes) * 1_000_000 };
    let source = material.write(&folder.path().join("source"))?;
    let copier = Copier {
        keys,
        source: source.path().join("0").join("0.bin").display().to_string(),
        target: folder.path().join("copy").display().to_string(),
        batch: keys.path("batch"),
        bytes: material.bytes,
    };
    for cipher in CIPHERS {
        for (program, is_up) in [("scp", true), ("scp", false), ("sftp", true), ("sftp", false)] {
            let way = Way { program, is_up, cipher };
            let mut costs = vec![Vec::new(); servers.len()];
            for _ in 0..rounds {
                for (costs, server) in costs.iter_mut().zip(servers) {
                    costs.push(copier.copy(way, server)?);
                }
            }
            print(&format!("{}, {}", way.title(), material.title()), servers, &costs, megabytes);
        }
    }
    Ok(())
}

impl Way {
    fn title(self) -> String {
        let Self { program, is_up, cipher } = self;
        format!("`{program}` {} the server, {cipher}", if is_up { "to" } else { "from" })
    }
}

struct Copier<'a> {
    keys: &'a Keys,
    source: String,
    target: String,
    batch: std::path::PathBuf,
    bytes: u64,
}

impl Copier<'_> {
    fn copy(&self, way: Way, server: &Server) -> Result<Cost> {
        let target = Path::new(&self.target);
        if target.exists() {
            fs::remove_file(target)?;
        }
        let command = self.command(way, server)?;
        server.settle()?;
        let before = process::cpu(server.pid)?;
        let cost = run_measured(&command)?;
        server.settle()?;
        let used = process::cpu(server.pid)?.saturating_sub(before);
        let copied = fs::metadata(target)?.len();
        ensure!(copied == self.bytes, "{copied} bytes were copied, not {}", self.bytes);
        eprintln!("    {:7.3} s  {}, {}", cost.wall.as_secs_f64(), server.title, way.title());
        Ok(Cost { wall: cost.wall, server: used, client: cost.cpu })
    }

    fn command(&self, way: Way, server: &Server) -> Result<Command> {
        let mut command = self.keys.client(way.program, server);
        command.args(["-c", way.cipher]);
        let (source, target) = (&self.source, &self.target);
        match (way.program, way.is_up) {
            ("scp", true) => command.arg(source).arg(format!("{HOST}:{target}")),
            ("scp", false) => command.arg(format!("{HOST}:{source}")).arg(target),
            (_, is_up) => {
                let verb = if is_up { "put" } else { "get" };
                fs::write(&self.batch, format!("{verb} {source} {target}\n"))?;
                command.arg("-b").arg(&self.batch).arg(HOST)
            }
        };
        Ok(command)
    }
}

fn print(title: &str, servers: &[Server], costs: &[Vec<Cost>], megabytes: u32) {
    let megabytes = f64::from(megabytes);
    let speed = |time: Duration| megabytes / time.as_secs_f64();
    let of = |costs: &Vec<Cost>| {
        let walls = || costs.iter().map(|cost| cost.wall);
        (speed(median(walls())), speed(walls().min().unwrap_or_default()))
    };
    let first = costs.first().map_or((0.0, 0.0), of);
    let rows = servers.iter().zip(costs).map(|(server, costs)| {
        let (usual, best) = of(costs);
        let each_gb = |of: fn(&Cost) -> Duration| {
            median(costs.iter().map(of)).as_secs_f64() * 1_000.0 / megabytes
        };
        vec![
            server.title.to_owned(),
            format!("{usual:.0}"),
            format!("{best:.0}"),
            format!("{:.2}", each_gb(|cost| cost.server)),
            format!("{:.2}", each_gb(|cost| cost.client)),
            format!("{:.2}", usual / first.0),
            format!("{:.2}", best / first.1),
        ]
    });
    let header = [
        "server",
        "median MB/s",
        "max MB/s",
        "server CPU s per GB",
        "client CPU s per GB",
        "median / OpenSSH",
        "max / OpenSSH",
    ];
    table::print(title, &header, &rows.collect::<Vec<_>>());
}
