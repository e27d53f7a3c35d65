//! `cargo xtask bench-upload`: delivering the outputs of a run to a server that speaks S3, against
//! rclone and against what Python programs do.

mod garage;
mod python;
mod server;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use self::python::Python;
use self::server::{Kind, Program, Server};
use super::contest::{Contender, Cost, compete, measure, print, scratch, served};
use super::jobs::Jobs;
use super::material::{Folder, Material};
use crate::test::tools::provide_from_debian;

/// Prints Markdown tables to standard output. `docs/benchmarks.md` says how to read them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How often each is measured
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    rounds: u32,
    /// The size of the large file, in MB
    #[arg(long, value_name = "MB", default_value_t = 2_000)]
    large: u32,
    /// How many small files there are; 0 leaves them out
    #[arg(long, value_name = "NUMBER", default_value_t = 1_000)]
    small: u32,
    /// How many files of 60 MB there are; 0 leaves them out
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    medium: u32,
    /// Where the server keeps its objects: in memory, the disk does not hide what the clients cost
    #[arg(long, value_name = "PATH", default_value = "/dev/shm")]
    store: PathBuf,
    /// The server that everything is uploaded to
    #[arg(long, value_enum, default_value_t = Kind::S3sFs)]
    server: Kind,
}

/// The bucket that everything is uploaded to.
const BUCKET: &str = "bucket";

/// The remote of rclone, without the address of the server.
const REMOTE: &str = ":s3,provider=Other,env_auth=true,force_path_style=true";

/// Measures everything.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    provide_from_debian("time --version", "time")?;
    provide_from_debian("rclone version", "rclone")?;
    let python = Python::provide()?;
    let jobs = Jobs::build()?;
    let program = Program::provide(arguments.server)?;
    let materials = [
        Material { count: arguments.small, bytes: 10_000 },
        Material { count: arguments.medium, bytes: 60_000_000 },
        Material { count: 1, bytes: u64::from(arguments.large) * 1_000_000 },
    ];
    for material in materials.into_iter().filter(|material| material.count > 0) {
        let source = material.write(&scratch("source")?)?;
        let store = arguments.store.join(format!("chutes-bench-{}", std::process::id()));
        let server = Server::start(&program, Folder::empty(store)?)?;
        let contest =
            Contest { jobs: &jobs, python: &python, server: RefCell::new(server), source };
        contest.hold(&material.title(), arguments.rounds)?;
    }
    Ok(())
}

struct Contest<'a> {
    jobs: &'a Jobs,
    python: &'a Python,
    server: RefCell<Server>,
    source: Folder,
}

impl Contest<'_> {
    fn hold(&self, title: &str, rounds: u32) -> Result<()> {
        let urls = self.python.sign(&self.server.borrow(), self.source.path())?;
        let mut contenders = [
            Contender::new("`rclone copy`", || self.fresh(|server| measure(&self.rclone(server)))),
            Contender::new("aiohttp, one `PUT` for each file", || {
                self.fresh(|_| self.python.put(self.source.path(), &urls))
            }),
            Contender::new("boto3 `upload_file`, 16 threads", || {
                self.fresh(|server| self.python.boto3(server, self.source.path()))
            }),
            Contender::new("`run --output FILE=URL`, presigned", || {
                self.fresh(|_| self.presigned(&urls))
            }),
            Contender::new("`run --output s3://…`", || self.fresh(|server| self.chutes(server))),
        ];
        compete(title, &mut contenders, rounds)?;
        print(title, &contenders);
        Ok(())
    }

    /// Measures something that fills the empty bucket, and what the server needs for it.
    fn fresh(&self, act: impl FnOnce(&Server) -> Result<Cost>) -> Result<Cost> {
        self.server.borrow_mut().clear()?;
        let server = self.server.borrow();
        served(|| server.cpu(), || act(&server))
    }

    fn rclone(&self, server: &Server) -> Command {
        let mut command = Command::new("rclone");
        server.environment(&mut command);
        let endpoint = format!("--s3-endpoint={}", server.url());
        // Without a configuration file; the bucket is there.
        command.args(["copy", "--config=", "--s3-no-check-bucket", "--checksum", &endpoint]);
        command.args(["--transfers=16", "--s3-upload-concurrency=4"]);
        command.arg(self.source.path()).arg(format!("{REMOTE}:{BUCKET}/rclone"));
        command
    }

    /// One `PUT` for each file, to the same URLs that Python is given.
    fn presigned(&self, urls: &Path) -> Result<Cost> {
        let lines = format!("@{}", urls.display());
        self.jobs.cost(self.source.path(), |command| command.args(["--output", &lines]))
    }

    fn chutes(&self, server: &Server) -> Result<Cost> {
        let cost = self.jobs.cost(self.source.path(), |command| {
            server.environment(command).args(["--output", "s3://bucket/chutes"])
        })?;
        server.expect("chutes/manifest.json")?;
        Ok(cost)
    }
}
