//! Journals that were cut off, changed, or cannot be read or written: nothing false is reported.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes_test_support::machine::{names_in, unshare};
use chutes_test_support::record::{collected, journal};
use chutes_test_support::{Finished, Sandbox, finish, start};

use super::copy;
use crate::programs::new_sandbox;

/// A run that has completed, whose journal is then changed.
struct Whole {
    sandbox: Sandbox,
    bytes: Vec<u8>,
}

impl Whole {
    #[track_caller]
    fn new() -> Self {
        let sandbox = new_sandbox();
        let finished = sandbox.run("run leaves_a_helper --set files=2 --run-dir whole --json");
        assert_eq!(finished.outcome().status().to_string(), "completed");
        let bytes = std::fs::read(sandbox.path("whole/run.jsonl")).unwrap();
        Self { sandbox, bytes }
    }

    fn lines(&self) -> Vec<&[u8]> {
        self.bytes.split_inclusive(|byte| *byte == b'\n').collect()
    }

    /// Where the record of this kind begins.
    fn begin_of(&self, kind: &str) -> usize {
        let has = |line: &&[u8]| String::from_utf8_lossy(line).contains(&format!("\"{kind}\":"));
        self.lines().iter().take_while(|line| !has(line)).map(|line| line.len()).sum()
    }

    fn end_of(&self, kind: &str) -> usize {
        let begin = self.begin_of(kind);
        begin + self.bytes[begin..].iter().position(|byte| *byte == b'\n').unwrap() + 1
    }

    /// A copy of the run with this journal.
    fn with(&self, journal: &[u8]) -> PathBuf {
        let root = self.sandbox.path("run");
        let _ = std::fs::remove_dir_all(&root);
        copy(&self.sandbox.path("whole"), &root);
        std::fs::write(root.join("run.jsonl"), journal).unwrap();
        root
    }

    /// Recovers the copy twice; the second time changes nothing.
    #[track_caller]
    fn recover(&self) -> (Finished, Outcome) {
        let recovered = self.sandbox.run("recover run --json");
        let outcome = recovered.recovered_outcome();
        let before = std::fs::read(self.sandbox.path("run/run.jsonl")).unwrap();
        let again = self.sandbox.run("recover run --json");
        assert_eq!((&again.stdout, again.code), (&recovered.stdout, recovered.code));
        assert_eq!(std::fs::read(self.sandbox.path("run/run.jsonl")).unwrap(), before);
        assert_eq!(collected(&outcome), ["part-0/0.txt", "part-1/1.txt"]);
        (recovered, outcome)
    }

    /// Checks that nothing is claimed about the run, and that its files are left as they are.
    #[track_caller]
    fn check_refused(&self, journal: &[u8], error: &str) {
        let root = self.with(journal);
        let before = names_in(&root);
        let recovered = self.sandbox.run("recover run --json");
        assert_eq!((recovered.code, &*recovered.stdout), (Some(4), ""), "{recovered:#?}");
        assert_eq!(recovered.errors(), [format!("error: {error}")]);
        assert_eq!(std::fs::read(root.join("run.jsonl")).unwrap(), journal);
        assert_eq!(names_in(&root), before);
    }
}

const EMPTY: &str = "the journal of the run is empty: nothing was started in it";

const UNKNOWN: &str =
    "`run.jsonl` does not begin like the journal of a run: nothing is known of it";

/// A power cut: only whole lines count. Each line is cut off at several places.
#[test]
fn cut_off() {
    let whole = Whole::new();
    let mut begin = 0;
    for line in whole.lines() {
        for cut in [begin, begin + 1, begin + 10, begin + line.len() / 2, begin + line.len() - 1] {
            let journal = &whole.bytes[..cut];
            if begin == 0 {
                whole.check_refused(journal, EMPTY);
                continue;
            }
            whole.with(journal);
            let (recovered, outcome) = whole.recover();
            if cut >= whole.end_of("execution") {
                assert_eq!(outcome.status().to_string(), "completed", "{cut}");
            } else {
                let kind = outcome.ending.failure().unwrap().kind;
                assert_eq!((recovered.code, kind), (Some(0), FailureKind::SupervisorLost));
            }
            assert!(!whole.sandbox.path("run/run.jsonl.damaged").exists());
        }
        begin += line.len();
    }
    assert_eq!(begin, whole.bytes.len());
}

/// Checks the recovery of a run whose journal is damaged from this byte on.
#[track_caller]
fn check_damaged(whole: &Whole, journal: &[u8], from: usize) {
    let root = whole.with(journal);
    let (recovered, outcome) = whole.recover();
    assert_eq!(recovered.code, Some(0), "{recovered:#?}");
    assert_eq!(outcome.status().to_string(), "platform_failed");
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Platform);
    assert!(failure.message.contains("run.jsonl.damaged"), "{}", failure.message);
    let job_had_ended = from >= whole.end_of("execution");
    let causes: &[_] =
        if job_had_ended { &["before that, the job had returned its result"] } else { &[] };
    assert_eq!(failure.causes, causes);
    assert_eq!(outcome.result.is_some(), job_had_ended);
    // The unreadable part is kept, once.
    assert_eq!(std::fs::read(root.join("run.jsonl.damaged")).unwrap(), journal[from..]);
    assert!(std::fs::read(root.join("run.jsonl")).unwrap().starts_with(&journal[..from]));
}

#[test]
fn a_changed_byte() {
    let whole = Whole::new();
    let mut begin = whole.lines()[0].len();
    for line in &whole.lines()[1..] {
        for at in [0, 7, line.len() / 2, line.len() - 3] {
            let mut journal = whole.bytes.clone();
            journal[begin + at] ^= 1;
            check_damaged(&whole, &journal, begin);
        }
        begin += line.len();
    }
}

#[test]
fn missing_and_doubled_lines() {
    let whole = Whole::new();
    let lines = whole.lines();
    for at in 1..lines.len() - 1 {
        let missing = [&lines[..at], &lines[at + 1..]].concat().concat();
        check_damaged(&whole, &missing, lines[..at].concat().len());
        let doubled = [&lines[..=at], &lines[at..]].concat().concat();
        check_damaged(&whole, &doubled, lines[..=at].concat().len());
    }
}

/// Damage after the outcome cannot change it.
#[test]
fn garbage_after_the_outcome() {
    let whole = Whole::new();
    for garbage in [&b"garbage\n"[..], b"\0\0\0\0", b"{\"seq\":", b"{\"seq\":99}\n"] {
        let journal = [&whole.bytes, garbage].concat();
        let root = whole.with(&journal);
        let recovered = whole.sandbox.run("recover run --json");
        let outcome = recovered.printed_outcome();
        assert_eq!(outcome.status().to_string(), "completed", "{recovered:#?}");
        assert_eq!(std::fs::read(root.join("run.jsonl")).unwrap(), journal);
        assert!(!root.join("run.jsonl.damaged").exists());
    }
}

#[test]
fn nothing_is_known() {
    let whole = Whole::new();
    whole.check_refused(b"", EMPTY);
    for foreign in
        [&b"{}\n"[..], b"{\n  \"name\": \"mine\"\n}\n", b"\0\0\0\0\0\0\0", b"\xff\n", b"[]"]
    {
        whole.check_refused(foreign, UNKNOWN);
    }
    let mut changed = whole.bytes.clone();
    changed[40] ^= 1;
    whole.check_refused(&changed, UNKNOWN);
    let first = whole.lines()[0].len();
    whole.check_refused(&whole.bytes[first..], UNKNOWN);
}

/// Overlong lines are not read into memory.
#[test]
fn a_huge_line() {
    const LENGTH: u64 = 1 << 40;
    let whole = Whole::new();
    let root = whole.with(b"");
    let file = OpenOptions::new().write(true).open(root.join("run.jsonl")).unwrap();
    file.set_len(LENGTH).unwrap();
    let recovered = whole.sandbox.run("recover run");
    assert_eq!(recovered.errors(), [format!("error: {UNKNOWN}")]);
    // After the outcome it does not matter.
    file.write_all_at(&whole.bytes, 0).unwrap();
    let recovered = whole.sandbox.run("recover run --json");
    assert_eq!(recovered.code, Some(0), "{recovered:#?}");
    assert_eq!(file.metadata().unwrap().len(), LENGTH);
}

/// There is something other than a file in place of the journal.
#[test]
fn not_a_file() {
    let sandbox = new_sandbox();
    for (what, name) in [("mkfifo", "pipe"), ("mkdir", "folder")] {
        let path = sandbox.path(name);
        std::fs::create_dir(&path).unwrap();
        let made = std::process::Command::new(what).arg(path.join("run.jsonl")).status();
        assert!(made.unwrap().success());
        let recovered = sandbox.run(&format!("recover {name}"));
        assert_eq!(recovered.code, Some(2), "{recovered:#?}");
        let refused = sandbox.run(&format!("run echo --set epochs=1 --run-dir {name}"));
        assert_eq!(refused.code, Some(2), "{refused:#?}");
        assert_eq!(names_in(&path), ["run.jsonl"]);
    }
}

/// Arguments that take the rights of root away from root.
fn without_rights() -> &'static [&'static str] {
    if rustix::process::geteuid().is_root() {
        &["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    } else {
        &[]
    }
}

#[test]
fn permissions() {
    for (name, mode) in [("whole/run.jsonl", 0o000), ("whole/run.jsonl", 0o400), ("whole", 0o000)] {
        let whole = Whole::new();
        let path = whole.sandbox.path(name);
        let allowed = path.metadata().unwrap().permissions();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        for directory in ["whole", "."] {
            let arguments = ["recover", directory, "--json"];
            let recovered = finish(whole.sandbox.wrapped(without_rights(), &arguments));
            assert_eq!((recovered.code, &*recovered.stdout), (Some(4), ""), "{recovered:#?}");
            let cause = "  caused by: Permission denied (os error 13)";
            assert_eq!(recovered.errors()[1], cause, "{recovered:#?}");
        }
        std::fs::set_permissions(&path, allowed).unwrap();
        let recovered = whole.sandbox.run("recover whole --json");
        assert_eq!(recovered.outcome().status().to_string(), "completed");
    }
}

/// Nothing can be written: nothing is claimed, and nothing is lost.
#[test]
fn a_read_only_file_system() {
    let whole = Whole::new();
    let root = whole.with(&whole.bytes[..whole.end_of("execution")]);
    let before = std::fs::read(root.join("run.jsonl")).unwrap();
    let script = "mount --bind run run && mount -o remount,bind,ro run && exec \"$@\"";
    let wrapper = [&unshare(&["--mount"])[..], &["sh", "-c", script, "sh"]].concat();
    let recovered = finish(whole.sandbox.wrapped(&wrapper, &["recover", "run", "--json"]));
    assert_eq!((recovered.code, &*recovered.stdout), (Some(4), ""), "{recovered:#?}");
    let cause = "  caused by: Read-only file system (os error 30)";
    assert_eq!(recovered.errors()[1], cause, "{recovered:#?}");
    assert_eq!(std::fs::read(root.join("run.jsonl")).unwrap(), before);
    let arguments = ["run", "echo", "--set", "epochs=1", "--run-dir", "run/new", "--json"];
    let refused = finish(whole.sandbox.wrapped(&wrapper, &arguments));
    assert_eq!((refused.code, &*refused.stdout), (Some(4), ""), "{refused:#?}");
    assert_eq!(whole.recover().1.status().to_string(), "completed");
}

/// Records that did not fit on the disk are missing, and those that came when there was room again
/// can be read: the outcome above all.
#[test]
fn a_disk_that_is_full_for_a_while() {
    let sandbox = new_sandbox();
    std::fs::create_dir(sandbox.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=1m none disk && \"$@\"; code=$?
        cp disk/run/run.jsonl copy; exit $code";
    let wrapper = [&unshare(&["--mount"])[..], &["sh", "-c", script, "sh"]].concat();
    let data = r#"["shutdown_hangs"]"#;
    let run = ["run", "fills_the_disk_quietly", "--data", data, "--grace", "1"];
    let arguments = [&run[..], &["--run-dir", "disk/run", "--json"]].concat();
    let mut running = start(sandbox.wrapped(&wrapper, &arguments));
    running.wait_for("shutting down");
    let root = format!("/proc/{}/root", running.pid().as_raw_pid());
    let filler = sandbox.path("disk/run/outputs/filler.bin");
    let filler = Path::new(&root).join(filler.strip_prefix("/").unwrap());
    assert!(filler.metadata().unwrap().len() > 500_000);
    std::fs::remove_file(filler).unwrap();
    let finished = running.finish();
    let outcome = finished.printed_outcome();
    assert_eq!(outcome.status().to_string(), "completed", "{finished:#?}");
    let is_full = |warning: &String| warning.contains("cannot write the journal: No space left");
    assert!(outcome.warnings.iter().any(is_full), "{finished:#?}");

    std::fs::create_dir(sandbox.path("run")).unwrap();
    std::fs::rename(sandbox.path("copy"), sandbox.path("run/run.jsonl")).unwrap();
    let records = journal(&sandbox.path("run"));
    assert!(records.iter().all(|record| record.get("execution").is_none()), "{records:#?}");
    assert!(records.last().unwrap().get("outcome").is_some());
    let recovered = sandbox.run("recover run --json");
    assert_eq!(recovered.printed_outcome(), outcome);
    assert!(recovered.stderr.contains("is in order: completed"), "{recovered:#?}");
}

/// A journal that cannot grow any more could not show later how the run ended, so it is a failure of
/// the platform. Its records are whole, and `recover` claims no more than they say.
#[test]
fn a_journal_that_cannot_grow() {
    let sandbox = new_sandbox();
    // SIGXFSZ is ignored, so that a write stops at the limit.
    let script = "trap '' XFSZ; ulimit -f 2; exec \"$@\"";
    let wrapper = ["bash", "-c", script, "bash"];
    let run = ["run", "echo", "--set", "epochs=1", "--run-dir", "run", "--json"];
    let label = format!("label={}", "x".repeat(1_000));
    let arguments = [&run[..], &["--set", &label]].concat();
    let finished = finish(sandbox.wrapped(&wrapper, &arguments));
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    let outcome = finished.printed_outcome();
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Platform);
    assert!(failure.message.contains("File too large"), "{}", failure.message);
    let records = journal(&sandbox.path("run"));
    assert!(records.len() > 1 && records.iter().all(|record| record.get("outcome").is_none()));
    let recovered = sandbox.run("recover run --json");
    assert_ne!(recovered.recovered_outcome().status().to_string(), "completed");
    assert!(!sandbox.path("run/run.jsonl.damaged").exists());
}

/// A run whose directory is removed does not claim that its outputs are there.
#[test]
fn a_directory_that_is_removed() {
    let sandbox = new_sandbox();
    let mut running = sandbox.start("run stops_when_asked --run-dir run --json");
    running.wait_for("ready");
    std::fs::remove_dir_all(sandbox.path("run")).unwrap();
    running.signal(rustix::process::Signal::TERM);
    let finished = running.finish();
    assert_eq!(finished.code, Some(4), "{finished:#?}");
    assert!(finished.errors()[0].contains("cannot write the"), "{finished:#?}");
    assert_eq!(sandbox.entries(), [""; 0]);
}
