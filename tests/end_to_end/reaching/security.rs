//! Claims of `docs/security.md` about whole runs that no other test shows.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use chutes::event::{Event, RunEvent};
use chutes_test_support::{Finished, Running, Sandbox, finish, start};
use rustix::process::Signal;

use crate::programs::new_sandbox;

/// The job `stands_open`, with the key of its sandbox.
struct Open {
    sandbox: Sandbox,
    running: Running,
    ssh: SocketAddr,
}

impl Open {
    fn start(change: impl FnOnce(&mut Command)) -> Self {
        let sandbox = new_sandbox();
        make_key(&sandbox, "key");
        let words = "run stands_open --run-dir run --json --events events --publish ssh:0 \
                     --publish web:0 --ssh-public-key @key.pub";
        let mut command = sandbox.command(&words.split_whitespace().collect::<Vec<_>>());
        change(&mut command);
        let mut running = start(command);
        running.wait_for("it stands open");
        let ssh = addresses(&sandbox).into_iter().find(|(name, _)| name == "ssh").unwrap().1;
        Self { sandbox, running, ssh }
    }

    /// What a session prints that runs this command.
    #[track_caller]
    fn printed(&self, options: &[&str], command: &str) -> String {
        let finished = self.ssh(options, command);
        assert_eq!(finished.code, Some(0), "{finished:#?}");
        finished.stdout
    }

    fn ssh(&self, options: &[&str], command: &str) -> Finished {
        let (port, host) = (self.ssh.port().to_string(), self.ssh.ip().to_string());
        let fixed = ["ssh", "-F", "none", "-i", "key", "-p", &port, "-o", "BatchMode=yes"];
        let more = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
        let last = ["-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR"];
        let target = format!("job@{host}");
        let words = [&fixed[..], &more, &last, options, &[&target, command]].concat();
        finish(self.sandbox.program(&words))
    }

    fn end(self) {
        self.running.signal(Signal::INT);
        assert_eq!(self.running.finish().code, Some(130));
    }
}

fn make_key(sandbox: &Sandbox, name: &str) {
    let words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", name];
    assert_eq!(finish(sandbox.program(&words)).code, Some(0));
}

/// The ports that were reported.
fn addresses(sandbox: &Sandbox) -> Vec<(String, SocketAddr)> {
    let events = fs::read_to_string(sandbox.path("events")).unwrap();
    let ports = events.lines().filter_map(|line| match serde_json::from_str::<Event>(line) {
        Ok(Event { what: RunEvent::Port(at), .. }) => {
            Some((at.port.name().to_string(), at.address))
        }
        _ => None,
    });
    ports.collect()
}

#[test]
fn nothing_is_opened_to_others_unless_it_is_asked_for() {
    let open = Open::start(|command| {
        command.env_remove("CHUTES_HOST");
    });
    let addresses = addresses(&open.sandbox);
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    for (name, address) in addresses {
        assert_eq!(address.ip(), IpAddr::from(Ipv4Addr::LOCALHOST), "{name}");
    }
    open.end();
}

/// The open files of a program that is started here: the last one is the folder that `ls` reads, and the parent
/// of the tests may have left some, too.
fn descriptors(sandbox: &Sandbox) -> Vec<String> {
    let printed = finish(sandbox.program(&["ls", "-U", "/proc/self/fd"])).stdout;
    printed.split_whitespace().map(String::from).collect()
}

/// The descriptors of the supervisor are those of its journal, its listeners and its worker.
#[test]
fn sessions_inherit_no_descriptors() {
    let open = Open::start(|_| ());
    let check = |options: &[&str]| {
        let printed = open.printed(options, "exec ls -U /proc/self/fd");
        let numbers: Vec<_> = printed.split_whitespace().collect();
        // The last one is that of the folder. Nothing with which the tests were started is among them either.
        assert_eq!(numbers, ["0", "1", "2", "3"], "{options:?}");
    };
    check(&[]);
    check(&["-tt"]);
    open.end();
}

/// Besides the connection to its client, a file server has open only what was requested.
#[test]
fn file_servers_inherit_no_descriptors() {
    let open = Open::start(|_| ());
    let look = "for p in /proc/[0-9]*; do \
                if tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q ' __sftp '; then \
                [ $(tr '\\0' '\\n' <$p/environ | grep -c ^CHUTES_RUN_ID=$CHUTES_RUN_ID) = 1 ] && \
                ls -l $p/fd; fi; done";
    let batch = format!("!{}\n", shell_script(&open, look));
    fs::write(open.sandbox.path("batch"), batch).unwrap();
    let port = open.ssh.port().to_string();
    let target = format!("job@{}", open.ssh.ip());
    let words = [
        &["sftp", "-q", "-b", "batch", "-F", "none", "-i", "key", "-P", &port][..],
        &["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", &target],
    ];
    let finished = finish(open.sandbox.program(&words.concat()));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let links: Vec<_> = finished.stdout.lines().filter(|line| line.contains(" -> ")).collect();
    assert!(!links.is_empty(), "{finished:#?}");
    let usual = descriptors(&open.sandbox);
    for link in links {
        let number = link.split(" -> ").next().unwrap().split_whitespace().last().unwrap();
        // Two ends of the connection to the client, and their copies for the server.
        let is_own = ["pipe:", "anon_inode:[event"].iter().any(|kind| link.contains(kind));
        assert!(is_own || usual.iter().any(|usual| usual == number), "{finished:#?}");
    }
    open.end();
}

/// A script that uses a second session while the client of the first one waits for it.
fn shell_script(open: &Open, look: &str) -> String {
    let (port, host) = (open.ssh.port(), open.ssh.ip());
    let script = format!(
        "exec ssh -F none -i key -p {port} -o BatchMode=yes -o StrictHostKeyChecking=no \
         -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR job@{host} sh remote\n"
    );
    fs::write(open.sandbox.path("ask"), script).unwrap();
    fs::write(open.sandbox.path("run/remote"), look).unwrap();
    "sh ask".to_owned()
}

#[test]
fn settings_of_the_supervisor_are_not_in_the_environment_of_sessions() {
    let open = Open::start(|command| {
        command.env("CHUTES_OUTPUT", "sesame");
    });
    let printed = open.printed(&["-o", "SetEnv=LD_PRELOAD=x CHUTES_RUN_ID=y LC_ALL=C"], "env");
    assert!(!printed.contains("sesame"), "{printed}");
    assert!(!printed.contains("LD_PRELOAD") && !printed.contains("CHUTES_RUN_ID=y"), "{printed}");
    assert!(printed.contains("LC_ALL=C"), "{printed}");
    open.end();
}

#[test]
fn keys_of_the_server_are_on_no_disk_and_the_directory_is_closed_to_others() {
    let open = Open::start(|_| ());
    let mode = fs::metadata(open.sandbox.path("run")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let found = finish(open.sandbox.program(&["grep", "-rl", "PRIVATE KEY", "run", "events"]));
    assert_eq!((found.code, found.stdout.as_str()), (Some(1), ""));
    open.end();
}

/// A private key that is passed by mistake is neither reported nor kept.
#[test]
fn a_private_key_is_neither_told_nor_kept() {
    let sandbox = new_sandbox();
    make_key(&sandbox, "key");
    let body = fs::read_to_string(sandbox.path("key")).unwrap();
    let line = body.lines().nth(1).unwrap().to_owned();
    let check = |arguments: &[&str]| {
        let finished = finish(sandbox.command(arguments));
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(finished.stderr.contains("private key"), "{finished:#?}");
        assert!(!finished.stderr.contains(&line) && !finished.stdout.contains(&line));
        if sandbox.path("run").exists() {
            let kept = finish(sandbox.program(&["grep", "-rl", &line, "run"]));
            assert_eq!((kept.code, kept.stdout.as_str()), (Some(1), ""));
            fs::remove_dir_all(sandbox.path("run")).unwrap();
        }
    };
    let run =
        ["run", "stands_open", "--run-dir", "run", "--publish", "ssh:0", "--publish", "web:0"];
    check(&[&run[..], &["--ssh-public-key", "@key"]].concat());
    let data = serde_json::json!({ "_ssh_public_key": body }).to_string();
    check(&[&run[..], &["--data", &data]].concat());
}
