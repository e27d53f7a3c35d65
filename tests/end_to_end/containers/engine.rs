//! An engine for one test: Podman, with a storage that all tests have in common.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::fs::FlockOperation;
use tempfile::TempDir;

use super::image;
use crate::support::{Sandbox, wait_until};

/// Where images and containers are kept: for all tests, as an image takes a while to be put there.
fn storage() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("containers")
}

/// The options of every use of Podman. Cgroups without systemd, and runc, which knows both kinds of
/// cgroups.
fn podman() -> Command {
    let mut podman = Command::new("podman");
    podman.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    for variable in ["HOME", "XDG_RUNTIME_DIR"] {
        podman.envs(std::env::var_os(variable).map(|value| (variable, value)));
    }
    podman.env("CONTAINERS_CONF", storage().join(CONFIGURED.0));
    podman.args(["--runtime", "runc", "--cgroup-manager", "cgroupfs"]);
    podman.arg("--root").arg(storage().join("root"));
    podman.arg("--runroot").arg(storage().join("run")).stdin(Stdio::null());
    podman
}

/// A name for a configuration, and what it says. Limits that a machine may refuse to raise; what Podman sets
/// by itself may be more than it allows.
const CONFIGURED: (&str, &str) = (
    "containers.conf",
    r#"[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
events_logger = "none"
"#,
);

/// The same without any limits.
const PLAIN: (&str, &str) = ("plain.conf", "[engine]\nevents_logger = \"none\"\n");

fn output(mut command: Command) -> Output {
    let output = command.output();
    output.unwrap_or_else(|error| panic!("`podman` is needed, with `runc`: {error}"))
}

/// What a command prints; it must succeed.
#[track_caller]
pub(super) fn printed(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown} failed: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Puts the images into the storage unless they are there. One test does it, the others wait.
fn provide_images() {
    std::fs::create_dir_all(storage()).unwrap();
    let lock = File::create(storage().join("lock")).unwrap();
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
    for (name, wanted) in [CONFIGURED, PLAIN] {
        let configuration = storage().join(name);
        if std::fs::read_to_string(&configuration).unwrap_or_default() != wanted {
            std::fs::write(configuration, wanted).unwrap();
        }
    }
    image::provide(&storage(), &podman);
}

/// The engine until the end of the test.
pub(super) struct Engine {
    service: Child,
    folder: TempDir,
    /// What belongs to this test is below it.
    root: PathBuf,
}

impl Engine {
    pub(super) fn start(sandbox: &Sandbox) -> Self {
        Self::start_as(sandbox, CONFIGURED.0)
    }

    /// One that sets the limits of a process as Podman does by itself.
    pub(super) fn start_plain(sandbox: &Sandbox) -> Self {
        Self::start_as(sandbox, PLAIN.0)
    }

    fn start_as(sandbox: &Sandbox, configuration: &str) -> Self {
        provide_images();
        // The path of a socket must be short.
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("podman.sock");
        let mut service = podman();
        service.env("CONTAINERS_CONF", storage().join(configuration));
        // When memory runs out in a container, its monitor leaves a file where it was started.
        service.current_dir(folder.path());
        service.args(["system", "service", "--time", "0"]);
        service.arg(format!("unix://{}", socket.display()));
        let log = File::create(folder.path().join("log")).unwrap();
        service.stdout(log.try_clone().unwrap()).stderr(log);
        let root = sandbox.path("");
        let mut engine = Self { service: service.spawn().unwrap(), folder, root };
        wait_until("Podman listens", || {
            let ended = engine.service.try_wait().unwrap();
            assert!(ended.is_none(), "Podman has ended: {}", engine.log());
            UnixStream::connect(&socket).is_ok()
        });
        engine
    }

    /// Its address, for `DOCKER_HOST`.
    pub(super) fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("podman.sock").display())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The containers of this test, running or not: those that something of it is mounted in.
    pub(super) fn containers(&self) -> Vec<String> {
        let mut all = podman();
        all.args(["ps", "--all", "--quiet", "--no-trunc"]);
        let mark = format!("{}/", self.root.to_str().unwrap().trim_end_matches('/'));
        let is_ours = |id: &&str| {
            let mut inspect = podman();
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
            let mut remove = podman();
            let _ = remove.args(["rm", "--force", "--time", "0", &container]).output();
        }
        let _ = self.service.kill();
        let _ = self.service.wait();
    }
}

#[test]
fn containers_are_seen_and_removed() {
    let sandbox = Sandbox::new();
    let (engine, other) = (Engine::start(&sandbox), Sandbox::new());
    assert!(UnixStream::connect(engine.host().strip_prefix("unix://").unwrap()).is_ok());
    let other = Engine::start(&other);
    let mut run = podman();
    let mount = format!("{}:/output", sandbox.path("").display());
    run.args(["run", "--detach", "--network", "none", "--volume", &mount, image::PLAIN]);
    run.args(["sleep", "1000"]);
    let id = printed(run);
    assert_eq!(engine.containers(), [id.trim_end()]);
    assert_eq!(other.containers(), [""; 0]);
    let again = Engine::start(&sandbox);
    drop(engine);
    assert_eq!(again.containers(), [""; 0]);
}

/// What the tests count on, run by Podman itself.
#[test]
fn images_do_what_the_tests_need() {
    let sandbox = Sandbox::new();
    let _engine = Engine::start(&sandbox);
    for folder in ["volume", "output", "artifacts"] {
        std::fs::create_dir(sandbox.path(folder)).unwrap();
    }
    std::fs::write(sandbox.path("volume/payload.txt"), "payload").unwrap();
    let run = |image: &str, arguments: &[&str]| {
        let mut run = podman();
        run.args(["run", "--rm", "--network", "none"]);
        for folder in ["volume", "output", "artifacts"] {
            run.arg("--volume").arg(format!("{}:/{folder}", sandbox.path(folder).display()));
        }
        run.arg(image).args(arguments);
        printed(run)
    };
    assert_eq!(run(image::PLAIN, &["/seed.sh"]), "payload");
    assert_eq!(std::fs::read(sandbox.path("output/file2.txt")).unwrap(), b"two");
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(std::fs::read(sandbox.path("artifacts/All-BYTES.bin")).unwrap(), all);
    let a_million = sandbox.path("artifacts/a-million").metadata().unwrap();
    assert_eq!(a_million.len(), 1_000_000);
    assert_eq!(run(image::USER, &["id", "-u"]), "1000\n");
    assert!(run(image::COMMAND, &[]).contains("GREETING=hello"));
    assert!(run(image::JOB_BINARY, &["test-jobs", "list"]).contains("waits_for_a_file"));
}
