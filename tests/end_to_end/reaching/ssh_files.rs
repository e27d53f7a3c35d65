//! Files are copied in and out while the job runs: `scp`, `sftp`, `rsync`, `sshfs`.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use chutes::manifest::FileState;
use chutes_test_support::machine::peak_memory;
use chutes_test_support::record::collected;
use chutes_test_support::{finish, wait_until};

use super::ssh::{serve, serve_job};

/// The memory that a copy of any size may need in the supervisor, in kilobytes.
const MEMORY_OF_A_COPY: u64 = 64 * 1024;

/// The checkpoint is fetched while the job runs, and a file that is put among the outputs is an output.
#[test]
fn scp() {
    let served = serve();
    served.copy("run:outputs/checkpoint-1.bin", "fetched.bin");
    let original = std::fs::read(served.path("outputs/checkpoint-1.bin")).unwrap();
    assert!(std::fs::read(served.sandbox.path("fetched.bin")).unwrap() == original);
    std::fs::create_dir_all(served.sandbox.path("folder/in it")).unwrap();
    std::fs::write(served.sandbox.path("folder/in it/a file.txt"), "by hand").unwrap();
    let copied = finish(served.program("scp", &["-q", "-r", "-p", "folder", "run:outputs/"]));
    assert_eq!(copied.code, Some(0), "{copied:#?}");
    // The old protocol: a command in the session.
    let old = finish(served.program("scp", &["-q", "-O", "fetched.bin", "run:outputs/old.bin"]));
    assert_eq!(old.code, Some(0), "{old:#?}");
    let missing = finish(served.program("scp", &["-q", "run:outputs/missing", "."]));
    assert_eq!(missing.code, Some(1), "{missing:#?}");
    assert!(missing.stderr.contains("No such file"), "{missing:#?}");
    let (_sandbox, finished) = served.cancel();
    let outcome = finished.outcome();
    let expected = ["checkpoint-1.bin", "folder/in it/a file.txt", "old.bin"];
    assert_eq!(collected(&outcome), expected);
    let checksum = |name: &str| {
        let mut files = outcome.outputs.iter();
        match &files.find(|file| file.path.as_str() == Some(name)).unwrap().state {
            FileState::Collected { sha256, .. } => *sha256,
            other => panic!("{other:?}"),
        }
    };
    let same = ["checkpoint-1.bin", "old.bin"].map(checksum);
    assert_eq!(same[0], same[1]);
}

#[test]
fn sftp() {
    let served = serve_job("ends", "");
    std::fs::write(served.sandbox.path("local.txt"), "of the client").unwrap();
    let batch = "pwd\nmkdir outputs/d\nput local.txt outputs/d/one.txt\nrename outputs/d/one.txt \
        outputs/d/two.txt\nsymlink two.txt outputs/d/link\nchmod 640 outputs/d/two.txt\nls -l \
        outputs/d\nget outputs/d/link back.txt\nput local.txt outputs/d/gone.txt\nrm \
        outputs/d/gone.txt\nmkdir outputs/e\nrmdir outputs/e\ndf -h\n-rm outputs/missing\nls -1 \
        outputs\n";
    std::fs::write(served.sandbox.path("batch"), batch).unwrap();
    let finished = finish(served.program("sftp", &["-b", "batch", "run"]));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let directory = served.path(".").canonicalize().unwrap();
    let expected = format!("Remote working directory: {}\n", directory.display());
    assert!(finished.stdout.contains(&expected), "{finished:#?}");
    let listed = |start: &str, end: &str| {
        finished.stdout.lines().any(|line| line.starts_with(start) && line.ends_with(end))
    };
    assert!(listed("-rw-r-----", "two.txt") && listed("lrwxrwxrwx", "link"), "{finished:#?}");
    assert!(finished.stderr.contains("missing"), "{finished:#?}");
    assert_eq!(std::fs::read(served.sandbox.path("back.txt")).unwrap(), b"of the client");
    assert!(finished.stdout.ends_with("outputs/begun.txt\noutputs/d\n"), "{finished:#?}");
    let link = std::fs::read_link(served.path("outputs/d/link")).unwrap();
    assert_eq!(link.to_str(), Some("two.txt"));
    // A command that fails ends a batch with an error.
    std::fs::write(served.sandbox.path("batch"), "get outputs/missing\nmkdir outputs/f\n").unwrap();
    let finished = finish(served.program("sftp", &["-b", "batch", "run"]));
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(!served.path("outputs/f").exists());
}

#[test]
fn rsync() {
    let served = serve_job("ends", "");
    let tree = served.sandbox.path("tree");
    std::fs::create_dir_all(tree.join("a/b c")).unwrap();
    for number in 0..200 {
        std::fs::write(tree.join(format!("a/b c/{number}")), number.to_string().repeat(number))
            .unwrap();
    }
    std::os::unix::fs::symlink("a", tree.join("link")).unwrap();
    let rsync = |words: &[&str]| {
        let words = [&["rsync", "-a", "--checksum", "-e", "ssh -F config"], words].concat();
        let finished = finish(served.sandbox.program(&words));
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        finished.stdout
    };
    rsync(&["tree/", "run:outputs/tree/"]);
    rsync(&["run:outputs/tree/", "back/"]);
    let compared =
        finish(served.sandbox.program(&["diff", "-r", "--no-dereference", "tree", "back"]));
    assert_eq!(compared.code, Some(0), "{compared:#?}");
    std::fs::write(tree.join("a/b c/7"), "changed").unwrap();
    std::fs::remove_file(tree.join("a/b c/8")).unwrap();
    let report = rsync(&["--delete", "--itemize-changes", "tree/", "run:outputs/tree/"]);
    let changed: Vec<_> =
        report.lines().filter(|line| !line.contains("./") && !line.starts_with(".d")).collect();
    assert_eq!(changed.len(), 2, "{report}");
    assert_eq!(std::fs::read(served.path("outputs/tree/a/b c/7")).unwrap(), b"changed");
}

/// The supervisor holds little of a transfer in memory.
#[test]
fn a_gigabyte() {
    let served = serve_job("ends", "");
    // The two ends of the file differ, so that a missing part or another order would be noticed.
    let make = |path: &Path, size: u64| {
        let file = std::fs::File::create(path).unwrap();
        file.set_len(size).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"end", size - 3).unwrap();
    };
    make(&served.sandbox.path("in"), 256 << 20);
    make(&served.path("scratch/out"), 1 << 30);
    served.printed("true");
    let before = peak_memory(served.running.pid()).unwrap();
    served.copy("in", "run:scratch/in");
    served.copy("run:scratch/out", "out");
    let after = peak_memory(served.running.pid()).unwrap();
    for (one, other) in [("in", "run/scratch/in"), ("run/scratch/out", "out")] {
        let compared = finish(served.sandbox.program(&["cmp", one, other]));
        assert_eq!(compared.code, Some(0), "{compared:#?}");
    }
    assert!(after - before < MEMORY_OF_A_COPY, "{before} kB before, {after} kB after");
}

/// The files of the run as a folder of the client.
#[test]
fn sshfs() {
    let served = serve_job("ends", "");
    let mount = served.sandbox.path("mount");
    std::fs::create_dir(&mount).unwrap();
    let config = served.sandbox.path("config").display().to_string();
    let words = ["sshfs", "-F", &config, "-f", "run:outputs", "mount"];
    let mounted = chutes_test_support::start(served.sandbox.program(&words));
    wait_until("it is mounted", || mount.join("begun.txt").exists());
    std::fs::write(mount.join("written.txt"), "through").unwrap();
    std::fs::rename(mount.join("written.txt"), mount.join("renamed.txt")).unwrap();
    assert_eq!(std::fs::read(served.path("outputs/renamed.txt")).unwrap(), b"through");
    let unmounted = Command::new("fusermount3").arg("-u").arg(&mount).status().unwrap();
    assert!(unmounted.success());
    mounted.finish();
}
