//! What is sent, when it is sent again, and what is settled, on the virtual clock.

mod giving_up;
mod scripted;
mod together;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::Sink;
use scripted::{Scripted, Step, file, job, kinds, run_summary};

const SECOND: Duration = Duration::from_secs(1);

/// Delivers the files to the sink and checks when it was called, in milliseconds, with what, and what
/// was settled in which order.
#[track_caller]
fn check(
    outcome: &(Delivered, Vec<String>),
    sink: &Scripted,
    calls: &[(u64, &str)],
    settled: &[&str],
) {
    assert_eq!(
        sink.calls(),
        calls.iter().map(|(at, what)| (*at, (*what).to_owned())).collect::<Vec<_>>()
    );
    assert_eq!(outcome.1, settled);
    let report = &outcome.0.reports[0];
    let states = &outcome.0.states[0];
    let count = |name: &str| states.iter().filter(|state| state.as_str() == name).count() as u64;
    assert_eq!(report.delivered, count("delivered"));
    assert_eq!(report.failed, count("failed"));
    assert_eq!(report.skipped, count("skipped"));
}

/// Delivers to one sink. What is settled is shown as `PATH: STATE`, with the reason.
async fn deliver_to(sink: &Arc<Scripted>, mut job: DeliveryJob) -> (Delivered, Vec<String>) {
    let settled = Arc::new(Mutex::new(Vec::new()));
    let seen = settled.clone();
    job.settled = Box::new(move |number, file, state, _| {
        assert_eq!(number, 0);
        seen.lock().unwrap().push(scripted::shown(file, state));
    });
    let sinks: [Arc<dyn Sink>; 1] = [sink.clone()];
    let outcome = deliver(&OpenSink::numbered(sinks), &job).await;
    let settled = settled.lock().unwrap().clone();
    (outcome, settled)
}

#[tokio::test(start_paused = true)]
async fn order_of_calls() {
    let sink = Scripted::new().at_a_time(1);
    let outcome = deliver_to(&sink, job(&["a", "b"])).await;
    let calls = [(0, "begin"), (0, "a"), (0, "b"), (0, "finish")];
    check(&outcome, &sink, &calls, &["a: delivered", "b: delivered"]);
    assert!(outcome.0.reports[0].is_complete());
    assert_eq!(outcome.0.reports[0].bytes, 200);
}

/// An attempt that got further than all before is not one of those that are used up.
#[tokio::test(start_paused = true)]
async fn attempts_that_get_further_are_counted_anew() {
    let sink =
        Scripted::new().on("a", std::array::from_fn::<_, 30, _>(|at| Step::Keeps(1 + at as u64)));
    let outcome = deliver_to(&sink, job(&["a"])).await;
    let mut calls = vec![(0, "begin".to_owned())];
    calls.extend((0..=30).map(|attempt| (attempt * 500, "a".to_owned())));
    calls.push((15_000, "finish".to_owned()));
    assert_eq!(sink.calls(), calls);
    assert_eq!(outcome.1, ["a: delivered"]);
}

/// What a sink keeps of a file is removed when the file is given up, and not before.
#[tokio::test(start_paused = true)]
async fn what_is_kept_of_a_file_that_is_given_up_is_removed() {
    for last in [Step::Permanent, Step::Keeps(7)] {
        let script: [Step; 13] =
            std::array::from_fn(|at| if at < 12 { Step::Keeps(7) } else { last });
        let sink = Scripted::new().on("a", script);
        let outcome = deliver_to(&sink, job(&["a"])).await;
        let abandoned = |(_, name): &(u64, String)| name == "abandon a";
        let calls = sink.calls();
        assert_eq!(calls.iter().position(abandoned), Some(13), "{calls:?}");
        assert!(outcome.1[0].starts_with("a: failed: "), "{:?}", outcome.1);
    }
}

#[tokio::test(start_paused = true)]
async fn delays_double_up_to_the_longest_and_then_end() {
    let sink = Scripted::new().on("a", [Step::Transient; 13]);
    let mut job = job(&["a"]);
    job.policy.delays = job.policy.delays.with_max_delay(10 * SECOND);
    let outcome = deliver_to(&sink, job).await;
    let doubled = [0, 500, 1_500, 3_500, 7_500, 15_500];
    let longest = (1..=6).map(|count| 15_500 + count * 10_000);
    let mut calls = vec![(0, "begin")];
    calls.extend(doubled.into_iter().chain(longest).map(|at| (at, "a")));
    calls.push((75_500, "finish"));
    check(&outcome, &sink, &calls, &["a: failed: 503 (after 12 attempts)"]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_sink_asks_for_is_the_shortest_and_has_an_end() {
    let sink = Scripted::new()
        .on("a", [Step::RetryAfter(7), Step::RetryAfter(0), Step::RetryAfter(86_400), Step::Done]);
    let outcome = deliver_to(&sink, job(&["a"])).await;
    let calls =
        [(0, "begin"), (0, "a"), (7_000, "a"), (8_000, "a"), (608_000, "a"), (608_000, "finish")];
    check(&outcome, &sink, &calls, &["a: delivered"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_lasts_is_not_tried_again_and_hurts_no_other_file() {
    let sink = Scripted::new().at_a_time(1).on("a", [Step::Permanent]).on("b", [Step::Panic]);
    let outcome = deliver_to(&sink, job(&["a", "b", "c"])).await;
    let calls = [(0, "begin"), (0, "a"), (0, "b"), (0, "c"), (0, "finish")];
    let fault = "b: failed: the code of the sink panicked, which is a fault of chutes";
    check(&outcome, &sink, &calls, &["a: failed: 403", fault, "c: delivered"]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_stalls_is_dropped_and_one_that_is_slow_is_not() {
    // 10 of 100 bytes, then nothing; then one byte in 59 seconds, 100 times; then the answer.
    let slow = Step::Slow { bytes: 100, each: 59 * SECOND, answer: 299 * SECOND };
    let sink = Scripted::new().on("a", [Step::Hang { bytes: 10 }, slow]);
    let outcome = deliver_to(&sink, job(&["a"])).await;
    // The bytes were there when it was looked for the first time, after 10 seconds.
    let begin = 70_000 + 500;
    let end = begin + 5_900_000 + 299_000;
    let calls = [(0, "begin"), (0, "a"), (begin, "a"), (end, "finish")];
    check(&outcome, &sink, &calls, &["a: delivered"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come() {
    let sink = Scripted::new().on("a", [Step::Hang { bytes: 100 }; 8]);
    let mut job = job(&["a"]);
    job.policy.delays = job.policy.delays.with_max_times(0);
    let outcome = deliver_to(&sink, job).await;
    let reason = "a: failed: no answer for 5m";
    assert_eq!(outcome.1, [reason]);
    let hangs = Scripted::new().on("a", [Step::Hang { bytes: 0 }]);
    let mut job = scripted::job(&["a"]);
    job.policy.delays = job.policy.delays.with_max_times(0);
    assert_eq!(deliver_to(&hangs, job).await.1, ["a: failed: no byte was sent for 1m"]);
}

#[tokio::test(start_paused = true)]
async fn one_sink_that_moves_is_no_sign_of_life_of_another() {
    let slow = Step::Slow { bytes: 100, each: 10 * SECOND, answer: Duration::ZERO };
    let moves = Scripted::new().on("a", [slow]);
    let stalls = Scripted::new().on("a", [Step::Hang { bytes: 0 }, Step::Done]);
    let sinks: [Arc<dyn Sink>; 2] = [moves.clone(), stalls.clone()];
    let outcome = deliver(&OpenSink::numbered(sinks), &job(&["a"])).await;
    assert!(outcome.reports.iter().all(SinkReport::is_complete));
    assert_eq!(stalls.calls()[2], (60_500, "a".to_owned()));
    assert_eq!(moves.calls()[2], (1_000_000, "finish".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn giving_up_settles_everything_and_calls_nothing_more() {
    let sink = Scripted::new().at_a_time(2).on("b", [Step::Hang { bytes: 100 }]);
    let job = job(&["a", "b", "c", "d"]);
    let (stop, sink_too) = (job.stop.clone(), sink.clone());
    tokio::spawn(async move {
        sink_too.called("b").await;
        tokio::time::sleep(SECOND).await;
        stop.cancel();
    });
    sink.also_on("d", [Step::Hang { bytes: 0 }]);
    let outcome = deliver_to(&sink, job).await;
    let calls = [(0, "begin"), (0, "a"), (0, "b"), (0, "c"), (0, "d")];
    let why = "failed: delivery was stopped before this was done";
    let settled = [
        "a: delivered".to_owned(),
        "c: delivered".to_owned(),
        format!("b: {why}"),
        format!("d: {why}"),
    ];
    check(&outcome, &sink, &calls, &settled.each_ref().map(String::as_str));
    let error = outcome.0.reports[0].error.as_deref().unwrap();
    assert_eq!(error, "it could not be completed: delivery was stopped before this was done");
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_beyond_the_deadline() {
    let sink = Scripted::new()
        .at_a_time(1)
        .on("a", [Step::Transient; 8])
        .on("b", [Step::Hang { bytes: 0 }]);
    let mut job = job(&["a", "b", "c"]);
    job.deadline = Some(Instant::now() + 3 * SECOND);
    let outcome = deliver_to(&sink, job).await;
    let calls = [(0, "begin"), (0, "a"), (500, "a"), (1_500, "a"), (1_500, "b")];
    let over = "failed: the time for delivery was over before this was done";
    let settled = [
        "a: failed: 503 (after 3 attempts); there is no time left to try again".to_owned(),
        format!("b: {over}"),
        format!("c: {over}"),
    ];
    check(&outcome, &sink, &calls, &settled.each_ref().map(String::as_str));
}

#[tokio::test(start_paused = true)]
async fn what_was_delivered_before_is_never_sent_again() {
    let sink = Scripted::new();
    let mut job = job(&["a", "b"]);
    let path = |name: &str| OutputPath::new(name).unwrap();
    // At another sink, and as another kind of file, it is another matter.
    for (sink, kind, name) in
        [(0, FileKind::Output, "a"), (1, FileKind::Output, "b"), (0, FileKind::Log, "b")]
    {
        job.delivered.insert((sink, kind, path(name)), Vec::new());
    }
    let outcome = deliver_to(&sink, job).await;
    check(&outcome, &sink, &[(0, "begin"), (0, "b"), (0, "finish")], &["b: delivered"]);
    assert_eq!((outcome.0.reports[0].delivered, outcome.0.reports[0].bytes), (2, 200));
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_is_not_meant_to_have_is_not_sent() {
    let sink = Scripted::new().without("a");
    let outcome = deliver_to(&sink, job(&["a", "b"])).await;
    let settled = ["a: skipped: not for this sink", "b: delivered"];
    check(&outcome, &sink, &[(0, "begin"), (0, "b"), (0, "finish")], &settled);
    assert!(outcome.0.reports[0].is_complete());
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_begin() {
    let sink = Scripted::new().without("b").on("begin", [Step::Transient, Step::Permanent]);
    let outcome = deliver_to(&sink, job(&["a", "b"])).await;
    let settled = ["b: skipped: not for this sink", "a: failed: 403"];
    check(&outcome, &sink, &[(0, "begin"), (500, "begin")], &settled);
    let error = outcome.0.reports[0].error.as_deref();
    assert_eq!(error, Some("it could not be prepared: 403"));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_cannot_finish_keeps_what_it_has() {
    let sink =
        Scripted::new().on("finish", [Step::Transient, Step::Hang { bytes: 0 }, Step::Permanent]);
    let outcome = deliver_to(&sink, job(&["a"])).await;
    let calls = [(0, "begin"), (0, "a"), (0, "finish"), (500, "finish"), (301_500, "finish")];
    check(&outcome, &sink, &calls, &["a: delivered"]);
    let error = outcome.0.reports[0].error.as_deref();
    assert_eq!(error, Some("it could not be completed: 403"));
}

#[tokio::test(start_paused = true)]
async fn the_last_manifest_has_what_became_of_the_files() {
    let sink = Scripted::new().on("b", [Step::Permanent]);
    let outcome = deliver_to(&sink, job(&["a", "b"])).await;
    let seen = sink.last_manifest();
    assert_eq!((seen.undelivered(), seen.logs[0].deliveries.len()), (1, 0));
    let mut manifest = run_summary(&["a", "b"]).manifest;
    outcome.0.fill(&[file("a"), file("b")], &mut manifest);
    assert_eq!(manifest, seen);
}

#[tokio::test(start_paused = true)]
async fn not_more_files_at_a_time_than_the_sink_takes() {
    let names: Vec<String> = (0..200).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let sink = Scripted::new().at_a_time(3);
    for (at, name) in names.iter().enumerate() {
        let each = Duration::from_millis(at as u64 % 7);
        sink.also_on(name, [Step::Slow { bytes: 10, each, answer: Duration::ZERO }]);
    }
    let (outcome, mut settled) = deliver_to(&sink, job(&names)).await;
    assert_eq!((sink.most_at_a_time(), outcome.reports[0].delivered), (3, 200));
    settled.sort_unstable();
    settled.dedup();
    assert_eq!(settled.len(), 200);
}

mod at_finish {
    //! Sinks whose files arrive all at once.

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_delivered_before_the_end() {
        let sink = Scripted::new().at_a_time(1).at_finish().on("b", [Step::Permanent]);
        let outcome = deliver_to(&sink, job(&["a", "b", "c"])).await;
        let calls = [(0, "begin"), (0, "a"), (0, "b"), (0, "c"), (0, "finish")];
        let settled = ["b: failed: 403", "a: delivered", "c: delivered"];
        check(&outcome, &sink, &calls, &settled);
        assert_eq!(kinds(&sink.last_manifest()), ["delivered", "failed", "delivered"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_delivered_when_the_end_fails() {
        let sink = Scripted::new().at_finish().on("finish", [Step::Permanent]);
        let outcome = deliver_to(&sink, job(&["a"])).await;
        check(&outcome, &sink, &[(0, "begin"), (0, "a"), (0, "finish")], &["a: failed: 403"]);
        assert!(!outcome.0.reports[0].is_complete());
    }

    async fn recovered(sink: Arc<Scripted>, delivered: &[&str]) -> (Arc<Scripted>, Vec<String>) {
        let mut job = job(&["a", "b"]);
        for name in delivered {
            let key = (0, FileKind::Output, OutputPath::new(*name).unwrap());
            job.delivered.insert(key, Vec::new());
        }
        let (_, settled) = deliver_to(&sink, job).await;
        (sink, settled)
    }

    #[tokio::test(start_paused = true)]
    async fn all_or_nothing_is_sent_again() {
        let (sink, settled) = recovered(Scripted::new().at_finish(), &["a", "b"]).await;
        assert_eq!((sink.calls().len(), settled.len()), (0, 0));
        let (sink, settled) = recovered(Scripted::new().at_finish(), &["a"]).await;
        assert_eq!((sink.calls().len(), settled), (4, vec!["b: delivered".to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_is_not_replaced_by_less() {
        let broken = Scripted::new().at_finish().on("a", [Step::Permanent]);
        let (sink, settled) = recovered(broken, &["a"]).await;
        assert!(sink.calls().iter().all(|(_, call)| call != "finish"));
        assert_eq!(settled, ["b: failed: 403"]);
    }
}
