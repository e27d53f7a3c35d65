//! Looks in by SSH while the program trains. Without the feature `ssh` there is nothing to look in by.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod program;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use self::program::{checkpoint, train, verified_files};

/// A run of a program to its end, which succeeds.
fn succeed(program: &str, words: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(words).current_dir(folder).output().unwrap();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {problem}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_checkpoint_is_fetched_while_the_training_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let run_dir = folder.path().join("run");
    succeed("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", "key"], folder.path());
    let mut command = train(&run_dir, &["epochs=9999", "checkpoint_every=1", "hidden=8"]);
    command.args(["--ssh-public-key", "@key.pub", "--publish", "ssh:0"]);
    command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::piped());
    // Shells of sessions read the startup files that are there: none.
    command.env("HOME", folder.path());
    let mut child = command.spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("epoch 2") && !run_dir.join("outputs").join(checkpoint(1)).exists() {
        assert_ne!(log.read_line(&mut seen).unwrap(), 0, "no checkpoint in:\n{seen}");
    }
    // The pipe is not read any more, but a full pipe must not stop the training.
    let rest = std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    let known = seen.lines().find(|line| line.contains(" ssh-ed25519 ")).unwrap();
    std::fs::write(folder.path().join("known_hosts"), format!("{known}\n")).unwrap();
    let address = seen.lines().find_map(|line| line.strip_prefix("ssh: ssh -p ")).unwrap();
    let (port, host) = address.split_once(' ').unwrap();
    let options = "-F none -q -i key -o IdentitiesOnly=yes -o IdentityAgent=none \
        -o UserKnownHostsFile=known_hosts -o StrictHostKeyChecking=yes -o BatchMode=yes";
    let options: Vec<_> = options.split_whitespace().collect();

    let from = format!("{host}:outputs/{}", checkpoint(1));
    let words = [&options[..], &["-P", port, &from, "fetched"]].concat();
    succeed("scp", &words, folder.path());
    let fetched = std::fs::read(folder.path().join("fetched")).unwrap();
    assert_eq!(fetched, std::fs::read(run_dir.join("outputs").join(checkpoint(1))).unwrap());
    let words = [&options[..], &["-p", port, host, "ls outputs/checkpoints"]].concat();
    assert!(succeed("ssh", &words, folder.path()).contains("checkpoint-epoch-0001.safetensors"));

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    rest.join().unwrap().unwrap();
    assert!(verified_files(&run_dir).contains(&checkpoint(1)));
}
