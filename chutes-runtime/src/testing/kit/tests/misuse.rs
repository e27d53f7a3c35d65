//! Errors in the use of the kit are panics at the line of the test, with a readable message.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chutes_core::FailureKind;

use super::super::TestRun;
use super::HOUR;
use crate::{JobContext, JobError, job};

/// Uses the kit in a wrong way.
#[job]
async fn kit_is_misused(_ctx: JobContext, how: usize) -> Result<(), JobError> {
    MISUSES[how].1();
    Ok(())
}

/// Never ends by itself, within a limit.
#[job(timeout = "1m")]
async fn kit_pends(_ctx: JobContext) -> Result<(), JobError> {
    std::future::pending().await
}

/// Never ends by itself, without a limit.
#[job]
async fn kit_pends_for_ever(_ctx: JobContext) -> Result<(), JobError> {
    std::future::pending().await
}

type Misuse = (&'static str, fn());

/// Wrong uses, each with the beginning of its message.
const MISUSES: &[Misuse] = &[
    ("there is no job `kit_pendz`; did you mean `kit_pends`?", || {
        let _ = TestRun::of("kit_pendz");
    }),
    ("there is no job `deploy`; there are `", || {
        let _ = TestRun::of("deploy");
    }),
    ("the data hold NaN at `[1]`, which JSON cannot hold", || {
        let _ = TestRun::of("kit_pends").data([0.0, f64::NAN]);
    }),
    ("the data cannot be written as JSON: key must be a string", || {
        let _ = TestRun::of("kit_pends").data(BTreeMap::from([((1, 2), 3)]));
    }),
    ("not the path of an input file: `../run.jsonl` is not a relative path", || {
        let _ = TestRun::of("kit_pends").input("../run.jsonl", "");
    }),
    ("`.` is not the path of an input file", || {
        let _ = TestRun::of("kit_pends").input(".", "");
    }),
    ("progress goes from 0 to 1, so it is never 50", || {
        let _ = TestRun::of("kit_pends").cancel_at_progress(50.0);
    }),
    ("progress goes from 0 to 1, so it is never NaN", || {
        let _ = TestRun::of("kit_pends").cancel_at_progress(f64::NAN);
    }),
    ("`TestRun::run` has a runtime of its own and was called within another", || {
        let _ = TestRun::of("kit_pends").run();
    }),
];

/// The test uses the kit within a job, because the panics of a job are caught with their location.
#[test]
fn misuse_is_a_panic_at_the_line_of_the_test() {
    for (how, (message, _)) in MISUSES.iter().enumerate() {
        let finished = TestRun::of("kit_is_misused").data(how).run();
        let failure = finished.failure();
        assert_eq!(failure.kind, FailureKind::Panic);
        let place = failure.location.as_deref().unwrap();
        assert!(place.contains("testing/kit/tests/misuse.rs:"), "{place}");
        let expected = format!("the job panicked at {place}: {message}");
        assert!(failure.message.starts_with(&expected), "{}", failure.message);
    }
}

/// Checks the beginning of the message of a panic.
#[track_caller]
fn check(misuse: impl FnOnce(), expected: &str) {
    let panic = catch_unwind(AssertUnwindSafe(misuse)).unwrap_err();
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn misuse_of_a_run_and_of_its_end() {
    let run = || TestRun::of("kit_pends");
    check(|| drop(run().time_limit(HOUR).run()), "a run may not take longer than its job declares");
    let twice = || run().input("a", "").input("a/b", "");
    check(|| drop(twice().run()), "cannot write the input `a/b`: ");
    let finished = run().run();
    let end = "it is timed_out (time_limit): the execute phase reached its limit of 1m";
    check(|| _ = finished.assert_completed(), end);
    check(|| _ = finished.result::<u32>(), &format!("the run has no result, {end}"));
    let finished = TestRun::of("kit_sleeps").data(1).run();
    check(|| _ = finished.failure(), "the run completed, so there is no failure");
    let mismatch = "the result cannot be read as `alloc::string::String`: invalid type";
    check(|| _ = finished.result::<String>(), mismatch);
}

#[test]
fn a_run_without_an_end_is_found_out() {
    let run = || TestRun::of("kit_pends_for_ever");
    check(|| drop(run().run()), "the run did not end within 7d of virtual time");
    // A planned cancellation and a limit extend the time after which a run counts as endless.
    let long = Duration::from_hours(8 * 24);
    assert_eq!(run().cancel_after(long).grace(HOUR).run().took(), long + HOUR);
    assert_eq!(run().time_limit(long).grace(HOUR).run().took(), long + HOUR);
}
