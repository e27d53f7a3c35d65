//! The client of OpenSSH, which can use any program as its connection.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::*;

/// Runs the client with these commands and a server in this process. Fails the test unless all succeed.
fn sftp(folder: &Path, tree: Tree, commands: &str) -> String {
    let scratch = TempDir::new_in(folder).unwrap();
    let path = |name: &str| scratch.path().join(name);
    for name in ["requests", "answers"] {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, path(name), mode).unwrap();
    }
    // The program that the client starts copies everything to and from the server, which is a thread of
    // this process.
    let (requests, answers) = (path("requests"), path("answers"));
    let script =
        format!("#!/bin/sh\ncat '{}' &\nexec cat > '{}'\n", answers.display(), requests.display());
    fs::write(path("program"), script).unwrap();
    fs::set_permissions(path("program"), Permissions::from_mode(0o700)).unwrap();
    fs::write(path("batch"), commands).unwrap();
    let server = spawn(move || {
        let input = File::open(requests).unwrap();
        let output = File::options().write(true).open(answers).unwrap();
        serve(input, output, tree).unwrap();
    });
    let mut client = Command::new("sftp");
    client.arg("-q").arg("-D").arg(path("program")).arg("-b").arg(path("batch"));
    let ended = client.current_dir(folder).output().expect("OpenSSH's client is needed");
    server.join().unwrap();
    let output = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ended.status.success(), "{}{}", output(&ended.stdout), output(&ended.stderr));
    output(&ended.stdout)
}

fn hash(path: &Path) -> [u8; 32] {
    Sha256::digest(fs::read(path).unwrap()).into()
}

fn large_file(path: PathBuf, megabytes: u64) -> PathBuf {
    let mut number = 88_172_645_463_325_252_u64;
    let words = (0..megabytes * 131_072).flat_map(|_| {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        number.to_le_bytes()
    });
    fs::write(&path, words.collect::<Vec<u8>>()).unwrap();
    path
}

#[test]
fn commands_of_the_client() {
    let folder = TempDir::new().unwrap();
    let (local, remote) = (folder.path().join("local"), folder.path().join("remote"));
    fs::create_dir_all(local.join("tree/below")).unwrap();
    fs::create_dir(&remote).unwrap();
    fs::write(local.join("tree/below/file"), "text").unwrap();
    fs::set_permissions(local.join("tree/below/file"), Permissions::from_mode(0o751)).unwrap();
    symlink("nowhere", remote.join("broken")).unwrap();
    let commands = format!(
        "cd {remote}\nlcd {local}\nput -pR tree\nrename tree/below/file tree/below/renamed\n\
         get -pR tree back\nmkdir made\nls -la\nchmod 600 tree/below/renamed\nln -s made link\n\
         ln tree/below/renamed second\ndf .\nrmdir made\nrm second\nput -f tree/below/file synced\nls -1\n",
        remote = remote.display(),
        local = local.display(),
    );
    let output = sftp(folder.path(), Tree::Machine, &commands);
    assert!(output.contains("\nbroken\nlink\nsynced\ntree\n"), "{output}");
    assert!(
        output.lines().any(|line| line.starts_with("drwx") && line.ends_with(" made")),
        "{output}"
    );
    let back = fs::metadata(local.join("back/below/renamed")).unwrap();
    let sent = fs::metadata(local.join("tree/below/file")).unwrap();
    assert_eq!((back.mtime(), back.mode() & 0o777), (sent.mtime(), 0o751));
    let changed = fs::metadata(remote.join("tree/below/renamed")).unwrap();
    assert_eq!((changed.mode() & 0o777, changed.nlink()), (0o600, 1));
    assert_eq!(fs::read_link(remote.join("link")).unwrap(), Path::new("made"));
}

#[test]
fn large_files_both_ways() {
    let folder = TempDir::new().unwrap();
    let large = large_file(folder.path().join("large"), 100);
    let (there, back) = (folder.path().join("there"), folder.path().join("back"));
    let commands = format!(
        "put {} {there}\nget {there} {}\n",
        large.display(),
        back.display(),
        there = there.display()
    );
    sftp(folder.path(), Tree::Machine, &commands);
    let expected = hash(&large);
    assert_eq!((hash(&there), hash(&back)), (expected, expected));
}

#[test]
fn interrupted_transfers_go_on() {
    let folder = TempDir::new().unwrap();
    let large = large_file(folder.path().join("large"), 3);
    let (there, back) = (folder.path().join("there"), folder.path().join("back"));
    let part = fs::read(&large).unwrap()[..1_234_567].to_vec();
    fs::write(&there, &part).unwrap();
    fs::write(&back, &part).unwrap();
    let commands = format!(
        "put -a {} {there}\nget -a {there} {}\n",
        large.display(),
        back.display(),
        there = there.display()
    );
    sftp(folder.path(), Tree::Machine, &commands);
    assert_eq!((hash(&there), hash(&back)), (hash(&large), hash(&large)));
}

#[test]
fn folders_of_a_container() {
    let (folder, tree) = with_mounts();
    let commands = "ls -1 /\npwd\nget /volume/file got\nput got /output/put\n-put got /volume/put\n-get /etc/passwd\n";
    let output = sftp(folder.path(), tree, commands);
    assert!(
        output.contains("/deep\n/output\n/volume\n") && output.contains("directory: /\n"),
        "{output}"
    );
    assert_eq!(fs::read_to_string(folder.path().join("output/put")).unwrap(), "volume");
    assert!(!folder.path().join("volume/put").exists() && !folder.path().join("passwd").exists());
}
