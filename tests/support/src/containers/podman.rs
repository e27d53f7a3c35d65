//! Podman for tests of components: one storage for all of them, and a service for each.

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// An image with a shell and the usual commands.
pub const IMAGE: &str = "localhost/chutes-test:1";

/// The same with a user other than root, and with `sh -c` as its entry point.
pub const USER_IMAGE: &str = "localhost/chutes-test-user:1";

/// The same with volumes below the folders of a run.
pub const VOLUMES_IMAGE: &str = "localhost/chutes-test-volumes:1";

/// The same with a user that it does not have.
pub const NO_USER_IMAGE: &str = "localhost/chutes-test-no-user:1";

const COMMANDS: [&str; 15] = [
    "cat", "cut", "df", "echo", "grep", "id", "ls", "seq", "sh", "sleep", "stat", "tail", "touch",
    "tr", "true",
];

/// A service of Podman until it is dropped.
#[derive(Debug)]
pub struct Podman {
    socket: PathBuf,
    service: Option<Child>,
}

impl Podman {
    /// Makes the images if they are missing, and starts a service.
    pub fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        make_images();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = root().join(format!("{}-{number}.sock", std::process::id()));
        let mut podman = Self { socket, service: None };
        podman.serve();
        podman
    }

    /// Its address, for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Starts the service.
    pub fn serve(&mut self) {
        // A service whose test was killed ends after a while.
        let service = command()
            .args(["system", "service", "--time", "60", &self.host()])
            .stderr(Stdio::null())
            .spawn();
        self.service =
            Some(service.unwrap_or_else(|error| panic!("Podman has to be installed: {error}")));
        let until = Instant::now() + Duration::from_secs(30);
        while UnixStream::connect(&self.socket).is_err() {
            assert!(Instant::now() < until, "the service of Podman does not start");
            // It does not report when it is ready.
            sleep(Duration::from_millis(20));
        }
    }

    /// Ends the service.
    pub fn stop(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill().unwrap();
            service.wait().unwrap();
        }
        let _ = std::fs::remove_file(&self.socket);
    }

    /// Ends the service and starts another one at the same address.
    pub fn restart(&mut self) {
        self.stop();
        self.serve();
    }

    /// Makes a container that is not started, without a service.
    pub fn create(name: &str, labels: &[(&str, &str)]) {
        let labels = labels.iter().map(|(name, value)| format!("--label={name}={value}"));
        run(command().args(["create", "--name", name]).args(labels).args([IMAGE, "true"]));
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        self.stop();
    }
}

#[expect(clippy::disallowed_methods, reason = "the storage is for all tests, and outlives each")]
fn root() -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    std::env::temp_dir().join(format!("chutes-podman-{user}"))
}

fn command() -> Command {
    let root = root();
    std::fs::create_dir_all(&root).unwrap();
    let mut command = Command::new("podman");
    // Where memory runs out, a file `oom` is left in the working directory.
    command.current_dir(&root);
    for folder in ["root", "runroot", "tmpdir"] {
        command.arg(format!("--{folder}={}", root.join(folder).display()));
    }
    // What works on machines with any mixture of cgroups, and on any file system.
    command.args(["--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn run(command: &mut Command) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?}: {said}");
}

/// Makes the images if they are missing. One test does it, the others wait.
fn make_images() {
    let root = root();
    std::fs::create_dir_all(&root).unwrap();
    let lock = File::create(root.join("lock")).unwrap();
    lock.lock().unwrap();
    // The name changes with the images.
    let made = root.join("images-made-2");
    if made.exists() {
        return;
    }
    let tar = root.join("image.tar");
    make_tar(&root.join("image"), &tar);
    run(command().arg("import").arg(&tar).arg(IMAGE));
    let entry_point = "--change=ENTRYPOINT [\"sh\", \"-c\"]";
    run(command().args(["import", "--change=USER 1000", entry_point]).arg(&tar).arg(USER_IMAGE));
    let volumes = ["/output/sub", "/volume/cache", "/volume/given", "/artifacts/sub"];
    let volumes = volumes.map(|path| format!("--change=VOLUME {path}"));
    run(command().arg("import").args(volumes).arg(&tar).arg(VOLUMES_IMAGE));
    run(command().args(["import", "--change=USER nope"]).arg(&tar).arg(NO_USER_IMAGE));
    File::create(made).unwrap();
}

/// The files of an image: one program with many names.
fn make_tar(folder: &Path, tar: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    let bin = folder.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
    for name in COMMANDS {
        std::os::unix::fs::symlink("busybox", bin.join(name)).unwrap();
    }
    run(Command::new("tar").arg("-C").arg(folder).arg("-cf").arg(tar).arg("."));
}
