//! Runs of test jobs with an SSH server.

use chutes_test_support::clients::ssh::SshRun;

use crate::programs::new_sandbox;

/// The job `serves`, which runs until it is cancelled.
#[track_caller]
pub(super) fn serve() -> SshRun {
    serve_run("serves --publish web:0 --publish echo:0", "serving")
}

/// The job `offers_ssh`, which goes on in one of its ways after [`SshRun::go`].
#[track_caller]
pub(super) fn serve_job(way: &str, options: &str) -> SshRun {
    serve_run(&format!("offers_ssh --data {{\"way\":\"{way}\"}} {options}"), "ready")
}

/// A job with options, once it has printed `ready`.
#[track_caller]
pub(super) fn serve_run(words: &str, ready: &str) -> SshRun {
    SshRun::start(new_sandbox(), words, ready)
}
