//! A worker that cannot be killed: the run has its outcome all the same.

use std::fs;
use std::path::{Path, PathBuf};

use chutes::EndStatus;
use chutes::outcome::FailureKind;
use chutes_test_support::finish;
use chutes_test_support::machine::wait_until;
use chutes_test_support::record::collected;

use crate::programs::new_sandbox;

/// A cgroup whose processes do not run and cannot be killed, as those cannot that wait for a device or a network file
/// system. Only the first version of cgroups has such a freezer.
struct Freezer(PathBuf);

impl Freezer {
    fn make() -> Option<Self> {
        let path = format!("/sys/fs/cgroup/freezer/chutes-test-{}", std::process::id());
        fs::create_dir(&path).ok().map(|()| Self(path.into()))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// Lets its processes go on, which means here that they are killed.
    fn thaw(&self) {
        fs::write(self.0.join("freezer.state"), "THAWED").unwrap();
        let members = self.0.join("cgroup.procs");
        wait_until("the worker is gone", || fs::read_to_string(&members).unwrap().is_empty());
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("freezer.state"), "THAWED");
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_worker_that_cannot_be_killed() {
    let Some(freezer) = Freezer::make() else {
        // On this machine no process can be frozen so that it cannot be killed.
        return;
    };
    let sandbox = new_sandbox();
    let group = freezer.path().display();
    // The parent of the shell is the worker.
    let script = format!(
        "echo $PPID > {group}/cgroup.procs; echo FROZEN > {group}/freezer.state; \
         sleep 300"
    );
    let way = serde_json::json!({ "shell": script }).to_string();
    let words = ["run", "dies", "--data", &way, "--time-limit", "3", "--grace", "1", "--json"];
    let finished = finish(sandbox.command(&words));
    freezer.thaw();
    let outcome = finished.outcome();
    assert_eq!(outcome.status(), EndStatus::TimedOut, "{finished:#?}");
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::TimeLimit);
    assert_eq!(collected(&outcome), ["partial.txt"]);
    // It still holds the job's standard output, which is no fault of those that read the messages.
    assert!(!finished.stderr.contains("messages were written"), "{finished:#?}");
    let warned = |text: &str| outcome.warnings.iter().any(|warning| warning.contains(text));
    assert!(warned("still there after the job: 1 process (test-jobs)"), "{:?}", outcome.warnings);
    assert!(warned("killed, but not gone"), "{:?}", outcome.warnings);
}
