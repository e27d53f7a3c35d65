//! Garage: a server that keeps content in blocks, so that the parts of an upload are not copied when it
//! is completed.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::BUCKET;
use super::server::Key;
use crate::bench::access::Background;
use crate::bench::contest::scratch;
use crate::command::{cargo, program, run};

/// The version that was measured.
const VERSION: &str = "2.5.0";

/// It takes only keys of this form.
pub(super) const KEY: Key = Key {
    id: "GK00112233445566778899aabb",
    secret: "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
};

/// Installs it below `target/`, if it is missing there.
pub(super) fn provide() -> Result<PathBuf> {
    let folder = scratch("garage")?;
    let installed = folder.join("bin").join("garage");
    let version = program(&installed.to_string_lossy(), "--version").output();
    let is_there =
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(VERSION));
    if !is_there {
        let options = "--locked --no-default-features --features lmdb,bundled-libs";
        let mut install = cargo(&format!("install garage --version {VERSION} {options}"));
        install.arg("--root").arg(&folder).arg("--target-dir").arg(folder.join("target"));
        run(&mut install)?;
    }
    Ok(installed)
}

/// Garage with one node and one bucket.
pub(super) struct Garage {
    program: PathBuf,
    configuration: PathBuf,
    port: u16,
}

impl Garage {
    /// Chooses its ports. It keeps everything in this folder.
    pub(super) fn configure(program: &Path, store: &Path) -> Result<Self> {
        let (api, rpc) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
        let (port, rpc) = (api.local_addr()?.port(), rpc.local_addr()?.port());
        let text = CONFIGURATION
            .replace("@STORE@", &store.display().to_string())
            .replace("@RPC@", &rpc.to_string())
            .replace("@PORT@", &port.to_string());
        let configuration = scratch("garage.toml")?;
        fs::write(&configuration, text).context("failed to write the configuration")?;
        Ok(Self { program: program.to_owned(), configuration, port })
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts it, with an empty bucket when the folder is empty.
    pub(super) fn start(&self) -> Result<Background> {
        let log = scratch("garage.log")?;
        let mut command = program(&self.program.to_string_lossy(), "--config");
        command.arg(&self.configuration).args(["server", "--single-node", "--default-bucket"]);
        command
            .env("GARAGE_DEFAULT_ACCESS_KEY", KEY.id)
            .env("GARAGE_DEFAULT_SECRET_KEY", KEY.secret)
            .env("GARAGE_DEFAULT_BUCKET", BUCKET);
        let mut server = Background::start(&mut command, &log)?;
        // It listens when the bucket is there.
        let listens = || TcpStream::connect(("127.0.0.1", self.port)).ok();
        server.wait_for(listens).with_context(|| format!("no garage; see `{}`", log.display()))?;
        Ok(server)
    }
}

const CONFIGURATION: &str = "metadata_dir = \"@STORE@/meta\"
data_dir = \"@STORE@/data\"
db_engine = \"lmdb\"
replication_factor = 1
compression_level = \"none\"
block_size = \"10M\"
rpc_bind_addr = \"127.0.0.1:@RPC@\"
rpc_public_addr = \"127.0.0.1:@RPC@\"
rpc_secret = \"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"

[s3_api]
s3_region = \"us-east-1\"
api_bind_addr = \"127.0.0.1:@PORT@\"
";
