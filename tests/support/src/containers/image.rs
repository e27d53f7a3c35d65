//! The images of the tests, made from what is on this machine: nothing is pulled.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::engine::{Storage, printed};

/// A shell and its tools, and `/seed.sh`, which does what ComputeHorde's own test image does.
pub const PLAIN: &str = "localhost/chutes-test-plain:1";

/// The same with a user other than root.
pub const USER: &str = "localhost/chutes-test-user:1";

/// The same with a command and a variable of its own.
pub const COMMAND: &str = "localhost/chutes-test-command:1";

/// The binary with the jobs of `tests/jobs`, as `/bin/test-jobs`.
pub const JOB_BINARY: &str = "localhost/chutes-test-jobs:1";

/// A single program, which waits.
pub const NO_SHELL: &str = "localhost/chutes-test-no-shell:1";

/// The static one: the image has no libraries.
const BUSYBOX: &str = "/bin/busybox";

const SEED: &str = r#"#!/bin/sh
set -e
cat /volume/payload.txt
echo "to standard error" >&2
printf one > /output/file1.txt
printf two > /output/file2.txt
test -d /artifacts || exit 0
: > /artifacts/empty.bin
printf 1 > /artifacts/text.txt
i=0
while [ $i -lt 256 ]; do printf "\\$(printf %03o $i)"; i=$((i + 1)); done > /artifacts/All-BYTES.bin
head -c 100000 /dev/zero > "/artifacts/100k zeros"
head -c 999000 /dev/zero > /artifacts/just-below
head -c 1000000 /dev/zero > /artifacts/a-million
"#;

/// Makes the images that are missing, or whose files have changed. The caller holds the lock of the storage.
pub(super) fn provide(storage: &Storage, jobs: &str) {
    let plain = Content { storage, files: vec![BUSYBOX.into()], has_shell: true };
    plain.provide(PLAIN, &["ENV PATH=/bin"]);
    plain.provide(USER, &["ENV PATH=/bin", "USER 1000:1000"]);
    plain.provide(COMMAND, &["ENV PATH=/bin", "ENV GREETING=hello", r#"CMD ["env"]"#]);
    let no_shell = Content { storage, files: vec![BUSYBOX.into()], has_shell: false };
    no_shell.provide(NO_SHELL, &["ENV PATH=/bin"]);
    let files = [vec![BUSYBOX.into(), jobs.into()], libraries(jobs)].concat();
    Content { files, ..plain }.provide(JOB_BINARY, &["ENV PATH=/bin"]);
}

/// Links the names of all commands to busybox.
fn link_applets(bin: &Path) {
    let mut list = Command::new(BUSYBOX);
    list.arg("--list");
    for applet in printed(list).lines().filter(|name| *name != "busybox") {
        symlink("busybox", bin.join(applet)).unwrap();
    }
}

/// The libraries of the job binary with the dynamic linker, where it looks for them.
fn libraries(jobs: &str) -> Vec<PathBuf> {
    let mut ldd = Command::new("ldd");
    ldd.arg(jobs);
    let printed = printed(ldd);
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(Into::into);
    printed.lines().filter_map(path).collect()
}

/// What an image is made from.
struct Content<'a> {
    storage: &'a Storage,
    files: Vec<PathBuf>,
    /// Whether busybox has all of its names, or only that of `sleep`.
    has_shell: bool,
}

impl Content<'_> {
    fn provide(&self, image: &str, changes: &[&str]) {
        let mark = self.storage.folder().join(image.replace(['/', ':'], "-"));
        let state = |path: &PathBuf| {
            let about = std::fs::metadata(path).unwrap();
            format!("{} {} {}.{}", path.display(), about.len(), about.mtime(), about.mtime_nsec())
        };
        let states: Vec<_> = self.files.iter().map(state).collect();
        let wanted = format!("{SEED}\n{changes:?}\n{}", states.join("\n"));
        let mut exists = self.storage.podman();
        let exists = exists.args(["image", "exists", image]).status();
        let is_there = exists.is_ok_and(|status| status.success());
        if is_there && std::fs::read_to_string(&mark).is_ok_and(|made| made == wanted) {
            return;
        }
        self.make(image, changes);
        std::fs::write(mark, wanted).unwrap();
    }

    fn make(&self, image: &str, changes: &[&str]) {
        let folder = tempfile::tempdir_in(self.storage.folder()).unwrap();
        let bin = folder.path().join("bin");
        for directory in ["bin", "tmp", "etc"] {
            std::fs::create_dir(folder.path().join(directory)).unwrap();
        }
        for file in &self.files {
            let place = match file.file_name().unwrap().to_str().unwrap() {
                name @ ("busybox" | "test-jobs") => bin.join(name),
                _ => folder.path().join(file.strip_prefix("/").unwrap()),
            };
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::copy(file, place).unwrap();
        }
        if self.has_shell {
            link_applets(&bin);
        } else {
            std::fs::rename(bin.join("busybox"), bin.join("sleep")).unwrap();
        }
        std::fs::write(folder.path().join("seed.sh"), SEED).unwrap();
        for (name, mode) in [("", 0o755), ("seed.sh", 0o755), ("tmp", 0o1777)] {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(folder.path().join(name), mode).unwrap();
        }
        self.import(folder.path(), image, changes);
    }

    fn import(&self, folder: &Path, image: &str, changes: &[&str]) {
        let archive = folder.with_extension("tar");
        let mut tar = Command::new("tar");
        tar.args(["--owner=0", "--group=0", "--numeric-owner", "-cf"]).arg(&archive);
        tar.arg("-C").arg(folder).arg(".");
        printed(tar);
        let mut import = self.storage.podman();
        import.arg("import").arg("--quiet");
        for change in changes {
            import.args(["--change", change]);
        }
        import.arg(&archive).arg(image);
        printed(import);
        std::fs::remove_file(archive).unwrap();
    }
}
