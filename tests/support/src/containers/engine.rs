//! Podman as the engine of one test, with a storage that all tests share.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::fs::FlockOperation;
use tempfile::TempDir;

use super::image;
use crate::machine::wait_until;
use crate::sandbox::{Programs, Sandbox};

/// Where images and containers are kept: for all tests, because it takes a while to put an image there.
#[derive(Clone, Debug)]
pub(super) struct Storage(PathBuf);

impl Storage {
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Podman with the options of every use. Cgroups without systemd, and runc, which knows both kinds of
    /// cgroups.
    pub(super) fn podman(&self) -> Command {
        let mut podman = Command::new("podman");
        podman.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for variable in ["HOME", "XDG_RUNTIME_DIR"] {
            podman.envs(std::env::var_os(variable).map(|value| (variable, value)));
        }
        podman.env("CONTAINERS_CONF", self.0.join(CONFIGURED.0));
        podman.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
        podman.arg("--root").arg(self.0.join("root"));
        podman.arg("--runroot").arg(self.0.join("run")).stdin(Stdio::null());
        podman
    }

    /// Puts the images into the storage unless they are there. One test does it, the others wait.
    fn provide_images(&self, programs: &Programs) {
        std::fs::create_dir_all(&self.0).unwrap();
        let lock = File::create(self.0.join("lock")).unwrap();
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
        for (name, wanted) in [CONFIGURED, PLAIN] {
            let configuration = self.0.join(name);
            if std::fs::read_to_string(&configuration).unwrap_or_default() != wanted {
                std::fs::write(configuration, wanted).unwrap();
            }
        }
        image::provide(self, programs.jobs);
    }
}

/// The name of a configuration, and its text. What Podman sets by itself may be more than the machine allows.
const CONFIGURED: (&str, &str) = (
    "containers.conf",
    r#"[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
events_logger = "none"
"#,
);

/// The same without limits.
const PLAIN: (&str, &str) = ("plain.conf", "[engine]\nevents_logger = \"none\"\n");

fn output(mut command: Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("`podman` is needed, with `runc`: {error}"))
}

/// What a command prints; it must succeed.
#[track_caller]
pub fn printed(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown} failed: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The engine until the end of the test.
#[derive(Debug)]
pub struct Engine {
    service: Child,
    storage: Storage,
    folder: TempDir,
    /// The folder that containers of this test mount something of.
    root: PathBuf,
}

impl Engine {
    /// An engine with limits that every machine allows.
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::start_as(sandbox, CONFIGURED.0)
    }

    /// An engine that sets the limits of a process as Podman does by itself.
    pub fn start_plain(sandbox: &Sandbox) -> Self {
        Self::start_as(sandbox, PLAIN.0)
    }

    fn start_as(sandbox: &Sandbox, configuration: &str) -> Self {
        let programs = sandbox.programs();
        let storage = Storage(Path::new(programs.cache).join("containers"));
        storage.provide_images(programs);
        // The path of a socket must be short.
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("podman.sock");
        let mut service = storage.podman();
        service.env("CONTAINERS_CONF", storage.folder().join(configuration));
        // When memory runs out in a container, its monitor leaves a file where it was started.
        service.current_dir(folder.path());
        service.args(["system", "service", "--time", "0"]);
        service.arg(format!("unix://{}", socket.display()));
        let log = File::create(folder.path().join("log")).unwrap();
        service.stdout(log.try_clone().unwrap()).stderr(log);
        let root = sandbox.path("");
        let mut engine = Self { service: service.spawn().unwrap(), storage, folder, root };
        wait_until("Podman listens", || {
            let ended = engine.service.try_wait().unwrap();
            assert!(ended.is_none(), "Podman has ended: {}", engine.log());
            UnixStream::connect(&socket).is_ok()
        });
        engine
    }

    /// Podman with the storage of the engine.
    pub fn podman(&self) -> Command {
        self.storage.podman()
    }

    /// Its address, for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("podman.sock").display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The containers of this test, running or not: those with a mount from its sandbox.
    pub fn containers(&self) -> Vec<String> {
        let mut all = self.podman();
        all.args(["ps", "--all", "--quiet", "--no-trunc"]);
        let mark = format!("{}/", self.root.to_str().unwrap().trim_end_matches('/'));
        let is_ours = |id: &&str| {
            let mut inspect = self.podman();
            inspect.args(["container", "inspect", id]);
            // Containers of other tests come and go, so it may be gone now.
            String::from_utf8_lossy(&output(inspect).stdout).contains(&mark)
        };
        printed(all).lines().filter(is_ours).map(str::to_owned).collect()
    }
}

/// A test that fails may leave containers.
impl Drop for Engine {
    fn drop(&mut self) {
        for container in self.containers() {
            let mut remove = self.podman();
            let _ = remove.args(["rm", "--force", "--time", "0", &container]).output();
        }
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}
