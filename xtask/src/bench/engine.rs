//! An engine for containers, for the benchmarks that need one: Podman, with a storage of its own.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::access::process;
use super::contest::scratch;
use super::material::Folder;
use crate::command::{program, root, run};

/// The image: a shell and few other programs.
pub(super) const IMAGE: &str = "localhost/chutes-bench:1";

/// Where Debian puts the static one.
const BUSYBOX: &str = "/bin/busybox";

/// Limits that a machine may refuse to raise; what Podman sets by itself may be more than it allows.
const CONFIGURATION: &str =
    "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n";

/// An engine that runs, and ends when this is dropped. Its storage stays for the next time.
pub(super) struct Engine {
    storage: PathBuf,
    socket: PathBuf,
    service: Child,
}

impl Engine {
    pub(super) fn start() -> Result<Self> {
        let storage = scratch("containers")?;
        fs::create_dir_all(&storage).context("no place for containers")?;
        fs::write(storage.join("containers.conf"), CONFIGURATION)?;
        make_image(&storage)?;
        // The path of a socket must be short.
        let socket = format!("/tmp/chutes-bench-{}.sock", std::process::id());
        let socket = PathBuf::from(socket);
        let mut service = podman(&storage);
        service.args(["system", "service", "--time", "0"]);
        service.arg(format!("unix://{}", socket.display()));
        let service = service.stdin(Stdio::null()).spawn().context("failed to start podman")?;
        let engine = Self { storage, socket, service };
        engine.wait()?;
        Ok(engine)
    }

    fn wait(&self) -> Result<()> {
        let begin = Instant::now();
        while UnixStream::connect(&self.socket).is_err() {
            if begin.elapsed() > Duration::from_secs(30) {
                bail!("podman does not listen at `{}`", self.socket.display());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The time of the processors that the service of the engine has used, without what it has started for
    /// containers.
    pub(super) fn cpu(&self) -> Result<Duration> {
        process::cpu(self.service.id())
    }

    /// The command line of the engine.
    pub(super) fn podman(&self) -> Command {
        podman(&self.storage)
    }

    /// Makes a command use this engine.
    pub(super) fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("DOCKER_HOST", format!("unix://{}", self.socket.display()))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.service.kill();
        let _ = self.service.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

fn podman(storage: &Path) -> Command {
    let mut podman = program("podman", "--runtime runc --cgroup-manager cgroupfs");
    podman.env("CONTAINERS_CONF", storage.join("containers.conf"));
    podman.arg("--root").arg(storage.join("root")).arg("--runroot").arg(storage.join("run"));
    podman
}

fn make_image(storage: &Path) -> Result<()> {
    let folder = Folder::empty(scratch("image")?)?;
    let bin = folder.path().join("bin");
    fs::create_dir(&bin)?;
    fs::copy(BUSYBOX, bin.join("busybox")).context("no static busybox")?;
    for name in ["sh", "cat", "ls", "cp", "yes", "head"] {
        symlink("busybox", bin.join(name))?;
    }
    let archive = scratch("image.tar")?;
    let mut tar = program("tar", "-cf");
    run(tar.arg(&archive).arg("-C").arg(folder.path()).arg("."))?;
    let mut import = podman(storage);
    run(import.args(["import", "--quiet", "--change", "ENV PATH=/bin"]).arg(archive).arg(IMAGE))
}

/// Builds `chutes`, optimized.
pub(super) fn build_chutes() -> Result<PathBuf> {
    let target = root().join("target");
    let mut cargo = program("cargo", "build --release -p chutes-cli --bin chutes");
    run(cargo.arg("--target-dir").arg(&target))?;
    Ok(target.join("release").join("chutes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_run_and_the_service_ends() {
        let engine = Engine::start().unwrap();
        let mut echo = engine.podman();
        echo.args(["run", "--rm", "--network", "none", IMAGE, "sh", "-c", "echo hello"]);
        assert_eq!(echo.output().unwrap().stdout, b"hello\n");
        let socket = engine.socket.clone();
        drop(engine);
        assert!(UnixStream::connect(socket).is_err());
    }
}
