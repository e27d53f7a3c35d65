//! Runs that go on without their terminal, and what finds, shows and stops them.

mod output;

use std::path::{Path, PathBuf};

use chutes::Outcome;
use chutes::outcome::EndStatus;
use chutes_test_support::leftovers::cgroups_of;
use chutes_test_support::{Finished, Sandbox, finish, start};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::programs::new_sandbox;

/// The supervisor of the one detached run that was started in this folder, if it lives.
#[track_caller]
pub(crate) fn supervisor_in(folder: &Path) -> Option<Pid> {
    let folder = folder.canonicalize().unwrap();
    let owners = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name();
        let pid = Pid::from_raw(name.to_str()?.parse().ok()?)?;
        let process = format!("/proc/{}", pid.as_raw_pid());
        let arguments = std::fs::read(format!("{process}/cmdline")).ok()?;
        let is_detached = String::from_utf8_lossy(&arguments).contains("--detached");
        let is_here = std::fs::read_link(format!("{process}/cwd")).ok()? == folder;
        (is_detached && is_here).then_some(pid)
    });
    let owners: Vec<_> = owners.collect();
    assert!(owners.len() <= 1, "{owners:?}");
    owners.first().copied()
}

/// A run that was started with `--detach` in the directory `run`.
struct Detached {
    sandbox: Sandbox,
    root: PathBuf,
}

impl Detached {
    #[track_caller]
    fn start(arguments: &str) -> Self {
        let sandbox = new_sandbox();
        let root = sandbox.path("run");
        let started = sandbox.run(&format!("run {arguments} --run-dir run --detach"));
        assert_eq!(started.code, Some(0), "{started:#?}");
        let words: Vec<_> = started.stdout.split_whitespace().collect();
        assert_eq!(words[1], root.to_str().unwrap(), "{started:#?}");
        assert_eq!(words[0].len(), 36, "{started:#?}");
        Self { sandbox, root }
    }

    /// The process of the supervisor.
    #[track_caller]
    fn supervisor(&self) -> Pid {
        self.supervisor_if_any().unwrap()
    }

    /// The same, if it lives.
    fn supervisor_if_any(&self) -> Option<Pid> {
        supervisor_in(&self.sandbox.path(""))
    }

    /// Waits until the job has printed this.
    #[track_caller]
    fn wait_for(&self, text: &str) {
        start(self.sandbox.command(&["logs", "run", "-f"])).wait_for(text);
    }

    /// Kills the supervisor, if it lives, and waits until it is gone.
    fn kill(&self) {
        if let Some(pid) = self.supervisor_if_any() {
            let _ = kill_process(pid, Signal::KILL);
        }
        self.wait_until_gone();
    }

    /// Waits until the supervisor has ended.
    fn wait_until_gone(&self) {
        let Some(pid) = self.supervisor_if_any() else { return };
        let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
        let minute = Timespec { tv_sec: 60, tv_nsec: 0 };
        let mut events = [PollFd::new(&pidfd, PollFlags::IN)];
        assert_eq!(poll(&mut events, Some(&minute)).unwrap(), 1, "it does not end");
    }

    /// The names of the cgroups of the run and of its supervisor, in any hierarchy.
    fn cgroups(&self) -> Vec<String> {
        let folder = self.root.canonicalize().unwrap();
        let log = std::fs::read_to_string(folder.join("run.jsonl")).unwrap();
        let begin = log.find("\"id\":\"").unwrap() + 6;
        let run_id = &log[begin..begin + 36];
        cgroups_of(run_id)
    }

    fn go(&self) {
        std::fs::write(self.root.join("scratch/go"), "").unwrap();
    }

    fn run(&self, line: &str) -> Finished {
        self.sandbox.run(line)
    }

    /// Waits until the run has ended, and returns what is in its directory.
    #[track_caller]
    fn outcome(&self) -> Outcome {
        let attached = self.run("attach run --json");
        let outcome = attached.outcome();
        self.wait_until_gone();
        assert!(!self.root.join("control.sock").exists());
        outcome
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        // Most have ended; then there is nothing to ask.
        let _ = self.sandbox.run("cancel run --now --wait");
    }
}

#[test]
fn it_goes_on_by_itself() {
    let run = Detached::start("waits_for_a_file");
    let supervisor = run.supervisor();
    let session = rustix::process::getsid(Some(supervisor)).unwrap();
    assert_eq!(session, supervisor, "it has a session of its own");
    // Its streams lead nowhere, and it has inherited nothing else.
    for stream in [1, 2] {
        let target = format!("/proc/{}/fd/{stream}", supervisor.as_raw_pid());
        assert_eq!(std::fs::read_link(target).unwrap(), Path::new("/dev/null"));
    }
    // Where the job has a cgroup, its supervisor has one beside it.
    let in_use = run.cgroups();
    let of_supervisor: Vec<_> = in_use.iter().filter(|name| is_supervisors(name)).collect();
    assert_eq!(!of_supervisor.is_empty(), in_use.iter().any(|name| !is_supervisors(name)));
    run.go();
    assert_eq!(run.outcome().status(), EndStatus::Completed);
    assert_eq!(run.cgroups(), Vec::<String>::new());
}

/// Whether this is the name of the cgroup of a supervisor.
fn is_supervisors(cgroup: &str) -> bool {
    cgroup.starts_with("chutes-supervisor-")
}

/// A killed supervisor leaves its cgroup, which `recover` removes.
#[test]
fn a_cgroup_that_was_left() {
    let run = Detached::start("waits_for_a_file");
    run.kill();
    let recovered = run.run("recover run");
    assert_eq!(recovered.code, Some(0), "{recovered:#?}");
    assert_eq!(run.cgroups(), Vec::<String>::new());
}

/// What a shell has opened for its own purposes is not held by the run.
#[test]
fn descriptors_are_not_inherited() {
    let sandbox = new_sandbox();
    let script = "exec 7>held 8</dev/zero; exec \"$@\"";
    let words = ["run", "waits_for_a_file", "--run-dir", "run", "--detach"];
    let started = finish(sandbox.wrapped(&["sh", "-c", script, "sh"], &words));
    assert_eq!(started.code, Some(0), "{started:#?}");
    let run = Detached { root: sandbox.path("run"), sandbox };
    let folder = format!("/proc/{}/fd", run.supervisor().as_raw_pid());
    let held = std::fs::read_dir(folder).unwrap();
    let held = held.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    let held: Vec<_> = held.collect();
    let is_ours = |path: &PathBuf| path.ends_with("held") || path == Path::new("/dev/zero");
    assert!(!held.iter().any(is_ours), "{held:?}");
    run.go();
    assert_eq!(run.outcome().status(), EndStatus::Completed);
}

/// The terminal is closed: its processes get SIGHUP, and are killed.
#[test]
fn its_terminal_is_closed() {
    let sandbox = new_sandbox();
    // `script` gives the command a terminal, and closes it at its end.
    let program = sandbox.command(&[]).get_program().to_str().unwrap().to_owned();
    let line = format!("{program} run waits_for_a_file --run-dir run --detach");
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qec", &line, "/dev/null"]).current_dir(sandbox.path(""));
    let started = finish(terminal);
    assert_eq!(started.code, Some(0), "{started:#?}");
    let run = Detached { root: sandbox.path("run"), sandbox };
    run.go();
    assert_eq!(run.outcome().status(), EndStatus::Completed);
}

#[test]
fn as_json() {
    let sandbox = new_sandbox();
    let started = sandbox.run("run waits_for_a_file --run-dir run --detach --json");
    let run = Detached { root: sandbox.path("run"), sandbox };
    let printed: serde_json::Value = serde_json::from_str(&started.stdout).unwrap();
    assert_eq!(printed["run_dir"], run.root.to_str().unwrap());
    run.go();
    assert_eq!(printed["run_id"], run.outcome().run_id.to_string());
}

/// What is refused is reported as without `--detach`, and leaves nothing.
#[test]
fn what_is_refused() {
    for (arguments, code) in [
        ("run echo --set epochs=no", 2),
        ("run missing", 2),
        ("run echo --set epochs=1 --events fd:1", 2),
        ("run echo --set epochs=1 --result /dev/stdout", 2),
        ("run echo --set epochs=1 --run-dir /proc/none", 4),
    ] {
        let sandbox = new_sandbox();
        let in_front = sandbox.run(arguments);
        let refused = sandbox.run(&format!("{arguments} --detach"));
        assert_eq!(refused.code, Some(code), "{refused:#?}");
        assert_eq!(refused.stdout, "", "{refused:#?}");
        let is_for_descriptor = arguments.contains("fd:") || arguments.contains("/dev/");
        if !is_for_descriptor {
            assert_eq!(refused.errors(), in_front.errors());
        }
        assert!(!sandbox.path("runs").exists() || is_for_descriptor, "{refused:#?}");
    }
}

/// Stopped by another process: its outputs are kept, and the outcome says why.
#[test]
fn cancelled() {
    let run = Detached::start("stops_when_asked");
    run.wait_for("ready");
    let cancelled = run.run("cancel run --wait --reason diverges");
    assert_eq!(cancelled.code, Some(0), "{cancelled:#?}");
    assert!(cancelled.stderr.contains("the run has ended: cancelled"), "{cancelled:#?}");
    let text = std::fs::read_to_string(run.root.join("outcome.json")).unwrap();
    let outcome: Outcome = serde_json::from_str(&text).unwrap();
    assert_eq!(outcome.status(), EndStatus::Cancelled);
    let causes = &outcome.ending.failure().unwrap().causes;
    assert!(causes.iter().any(|cause| cause.starts_with("diverges")), "{causes:?}");
    assert!(run.root.join("outputs/last.txt").exists());
    // There is nothing left to cancel.
    let again = run.run("cancel run");
    assert_eq!(again.code, Some(2), "{again:#?}");
    assert!(again.errors()[0].contains("has ended: cancelled"), "{again:#?}");
}

#[test]
fn cancelled_at_once() {
    let run = Detached::start("ignores_cancellation --grace 1h");
    run.wait_for("ready");
    let cancelled = run.run("cancel run --now --wait");
    assert_eq!(cancelled.code, Some(0), "{cancelled:#?}");
    assert!(run.root.join("outputs/partial.txt").exists());
    assert!(run.root.join("outcome.json").exists());
}

/// Attached, a run is shown and ends as if it had been started here.
#[test]
fn attached() {
    let run = Detached::start("waits_for_a_file");
    let mut attached = start(run.sandbox.command(&["attach", "run"]));
    let mut second = start(run.sandbox.command(&["attach", "run", "--json"]));
    attached.wait_for("attached to the run");
    second.wait_for("attached to the run");
    run.go();
    let finished = attached.finish();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(finished.stderr.contains("completed in"), "{finished:#?}");
    assert_eq!(second.finish().outcome().status(), EndStatus::Completed);
    // The same again, when it has ended.
    let later = run.run("attach run --json");
    assert_eq!(later.outcome().status(), EndStatus::Completed);
}

#[test]
fn the_exit_code_of_a_run_that_fails() {
    let run = Detached::start("stops_when_asked --time-limit 1");
    let attached = run.run("attach run");
    assert_eq!(attached.code, Some(124), "{attached:#?}");
}

/// A signal that ends `attach` leaves the run alone.
#[test]
fn a_follower_is_killed() {
    let run = Detached::start("waits_for_a_file");
    for signal in [Signal::KILL, Signal::INT, Signal::TERM] {
        let mut attached = start(run.sandbox.command(&["attach", "run"]));
        attached.wait_for("attached to the run");
        attached.signal(signal);
        drop(attached);
    }
    run.go();
    assert_eq!(run.outcome().status(), EndStatus::Completed);
}

/// The supervisor is killed while it is followed: the follower says so, and `recover` finishes the run.
#[test]
fn the_supervisor_is_killed() {
    let run =
        Detached::start("leaves_a_helper --data {\"files\":3,\"behaviour\":[\"never_ends\"]}");
    let mut attached = start(run.sandbox.command(&["attach", "run"]));
    attached.wait_for("attached to the run");
    run.kill();
    let lost = attached.finish();
    assert_eq!(lost.code, Some(4), "{lost:#?}");
    assert!(lost.stderr.contains("recover"), "{lost:#?}");
    let recovered = run.run("recover run --json");
    assert_eq!(recovered.code, Some(0), "{recovered:#?}");
    let outcome: Outcome = serde_json::from_str(&recovered.stdout).unwrap();
    assert_eq!(outcome.status(), EndStatus::PlatformFailed);
    assert!(!run.root.join("control.sock").exists());
}

/// The control socket answers processes of its own user only, whatever the modes of its directories are.
#[test]
fn another_user() {
    use std::os::unix::fs::PermissionsExt;

    if !rustix::process::geteuid().is_root() {
        // Only root can become another user.
        return;
    }
    let run = Detached::start("waits_for_a_file");
    let socket = run.root.join("control.sock");
    for path in [&run.sandbox.path(""), &run.root, &socket] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let ask = |wrapper: &[&str]| {
        let words = ["curl", "--silent", "--max-time", "20", "--http0.9", "--unix-socket"];
        let mut words: Vec<&str> = [wrapper, &words].concat();
        words.extend([socket.to_str().unwrap(), "http://run/"]);
        let mut command = std::process::Command::new(words[0]);
        command.args(&words[1..]);
        finish(command).stdout
    };
    assert!(ask(&[]).contains("refused"), "the run answers its own user");
    assert_eq!(ask(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]), "");
    run.go();
    assert_eq!(run.outcome().status(), EndStatus::Completed);
}

#[test]
fn usage() {
    let run = Detached::start("waits_for_a_file");
    run.wait_for("ready");
    let stats = run.run("stats run --json");
    assert_eq!(stats.code, Some(0), "{stats:#?}");
    let reading: serde_json::Value = serde_json::from_str(&stats.stdout).unwrap();
    assert!(reading["usage"]["memory_bytes"].as_u64().unwrap() > 0, "{reading}");
    assert_eq!(reading["usage"]["processes"], 1, "{reading}");
    run.go();
    let outcome = run.outcome();
    assert!(outcome.usage.unwrap().cpu > std::time::Duration::ZERO, "{outcome:#?}");
    let stats = run.run("stats run --json");
    assert!(stats.stdout.contains("cpu_seconds"), "{stats:#?}");
}

/// Killed at any moment while followers are attached: one outcome each, and no follower hangs.
#[test]
fn killed_at_any_moment() {
    for round in 0..12_u64 {
        let run = Detached::start("leaves_a_helper --data {\"files\":300,\"behaviour\":[]}");
        let followers = [(); 2].map(|()| start(run.sandbox.command(&["attach", "run", "--json"])));
        // A moment that differs, and is within the run.
        let moment = std::time::Duration::from_millis(round * 7 % 90);
        std::thread::sleep(moment);
        let _ = run.sandbox.run("stats run");
        run.kill();
        for follower in followers {
            let finished = follower.finish();
            assert!(matches!(finished.code, Some(0 | 4)), "{finished:#?}");
        }
        let recovered = run.run("recover run --json");
        assert_eq!(recovered.code, Some(0), "{recovered:#?}");
        let records = chutes_test_support::record::journal(&run.root);
        let outcomes = records.iter().filter(|record| record.get("outcome").is_some()).count();
        assert_eq!(outcomes, 1, "{records:#?}");
    }
}
