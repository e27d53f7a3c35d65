//! When a sink is given up as a whole, and what ends the attempts before that.

use super::*;

/// An attempt that takes this long and then succeeds.
fn after(each: Duration) -> Step {
    Step::Slow { bytes: 1, each, answer: Duration::ZERO }
}

fn calls_of(sink: &Scripted, name: &str) -> usize {
    sink.calls().iter().filter(|(_, call)| call == name).count()
}

#[tokio::test(start_paused = true)]
async fn attempts_are_not_used_up_for_every_file_anew() {
    let sink = Scripted::new().at_a_time(1).on("a", [Step::Transient; 20]);
    sink.also_on("finish", [Step::Transient; 20]);
    let begin = Instant::now();
    let outcome = deliver_to(&sink, job(&["a", "b", "c"])).await;
    let reason = "failed: the sink was given up: 503 (after 12 attempts)";
    let expected = [
        "a: failed: 503 (after 12 attempts)".to_owned(),
        format!("b: {reason}"),
        format!("c: {reason}"),
    ];
    assert_eq!(outcome.1, expected);
    assert_eq!((calls_of(&sink, "a"), calls_of(&sink, "b")), (12, 0));
    assert_eq!(calls_of(&sink, "finish"), 1);
    assert!(begin.elapsed() < 6 * 60 * SECOND);
    let error = outcome.0.reports[0].error.as_deref().unwrap();
    let expected = "it could not be completed: it is not tried again, because the sink takes no files; \
                    the last attempt: 503";
    assert_eq!(error, expected);
}

/// Files that are under way at the same time do not use up attempts of their own either.
#[tokio::test(start_paused = true)]
async fn what_waits_for_its_next_attempt_is_given_up_as_well() {
    let sink = Scripted::new().at_a_time(2).on("a", [Step::Transient; 20]);
    sink.also_on("b", [Step::Hang { bytes: 0 }; 20]);
    let outcome = deliver_to(&sink, job(&["a", "b", "c"])).await;
    let fault = "503 (after 12 attempts)";
    let settled = [
        format!("a: failed: {fault}"),
        "b: failed: it is not tried again, because the sink takes no files; the last attempt: no byte was sent \
         for 1m (after 5 attempts)"
            .to_owned(),
        format!("c: failed: the sink was given up: {fault}"),
    ];
    assert_eq!(outcome.1, settled);
    assert!(calls_of(&sink, "b") < 12);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_full_is_given_up_at_once() {
    let sink = Scripted::new().at_a_time(1).on("b", [Step::Full]);
    let outcome = deliver_to(&sink, job(&["a", "b", "c", "d"])).await;
    let calls = [(0, "begin"), (0, "a"), (0, "b"), (0, "finish")];
    let settled = [
        "a: delivered",
        "b: failed: no space",
        "c: failed: the sink was given up: no space",
        "d: failed: the sink was given up: no space",
    ];
    check(&outcome, &sink, &calls, &settled);
}

/// A file that only fails itself takes no other file with it.
#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_other_files_is_not_given_up() {
    let sink = Scripted::new().at_a_time(2).on("a", [Step::Transient; 20]);
    let names: Vec<String> = (0..20).map(|number| format!("f{number}")).collect();
    let names: Vec<&str> = std::iter::once("a").chain(names.iter().map(String::as_str)).collect();
    for name in &names[1..] {
        sink.also_on(name, [after(60 * SECOND)]);
    }
    let outcome = deliver_to(&sink, job(&names)).await;
    assert_eq!((outcome.0.reports[0].delivered, outcome.0.reports[0].failed), (20, 1));
}

/// What is under way when a sink is given up may still arrive, and then the sink works.
#[tokio::test(start_paused = true)]
async fn a_sink_that_takes_a_file_after_all_goes_on() {
    let sink = Scripted::new().at_a_time(2).on("a", [Step::Transient; 20]);
    sink.also_on("b", [Step::Slow { bytes: 100, each: 10 * SECOND, answer: Duration::ZERO }]);
    let outcome = deliver_to(&sink, job(&["a", "b", "c"])).await;
    let settled = ["a: failed: 503 (after 12 attempts)", "b: delivered", "c: delivered"];
    assert_eq!(outcome.1, settled);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_tried_again_in_a_hurry() {
    let sink = Scripted::new().at_a_time(1).on("a", [Step::Transient; 20]);
    sink.also_on("b", [Step::Transient]);
    let job = job(&["a", "b"]);
    let hurry = job.hurry.clone();
    tokio::spawn(async move {
        tokio::time::sleep(SECOND).await;
        hurry.cancel();
    });
    let outcome = deliver_to(&sink, job).await;
    let calls = [(0, "begin"), (0, "a"), (500, "a"), (1000, "finish")];
    let why = "it is not tried again, because the run was asked to stop; the last attempt: 503";
    let again = format!("{why} (after 2 attempts)");
    let settled =
        [format!("a: failed: {again}"), format!("b: failed: the sink was given up: {again}")];
    check(&outcome, &sink, &calls, &settled.each_ref().map(String::as_str));
    // What was never attempted is attempted once.
    let sink = Scripted::new().at_a_time(1).on("b", [Step::Transient]);
    let hurried = scripted::job(&["a", "b"]);
    hurried.hurry.cancel();
    let outcome = deliver_to(&sink, hurried).await;
    assert_eq!(outcome.1, ["a: delivered".to_owned(), format!("b: failed: {why}")]);
}

#[tokio::test(start_paused = true)]
async fn each_retry_is_reported() {
    let sink = Scripted::new().on("begin", [Step::Transient]).on("a", [Step::RetryAfter(7)]);
    let (mut job, said) = (job(&["a"]), Arc::new(Mutex::new(Vec::new())));
    let seen = said.clone();
    job.retrying = Box::new(move |sink, file, retry| {
        let file = file.map(|file| file.path.to_string());
        seen.lock().unwrap().push((sink, file, retry.to_string()));
    });
    deliver_to(&sink, job).await;
    let notice = |file: Option<&str>, text: &str| (0, file.map(str::to_owned), text.to_owned());
    let expected = [
        notice(None, "503; attempt 1 failed, the next one is in 1s"),
        notice(Some("a"), "429; attempt 1 failed, the next one is in 7s"),
    ];
    assert_eq!(*said.lock().unwrap(), expected);
}
