//! Small files that are sent together, and what becomes of those that do not arrive so.

use super::*;

/// 18 small files, of which two are left out of what arrives together.
const NAMES: [&str; 18] = [
    "a", "b", "left1", "c", "d", "e", "f", "g", "h", "left2", "i", "j", "k", "l", "m", "n", "o",
    "p",
];

/// What was called, without the time, and how many files were settled as delivered.
async fn calls(sink: &Arc<Scripted>, job: DeliveryJob) -> (Vec<String>, usize) {
    let (outcome, settled) = deliver_to(sink, job).await;
    assert_eq!(settled.len(), NAMES.len(), "{settled:?}");
    let delivered = outcome.states[0].iter().filter(|state| state.as_str() == "delivered").count();
    (sink.calls().into_iter().map(|(_, call)| call).collect(), delivered)
}

#[tokio::test(start_paused = true)]
async fn what_does_not_arrive_is_sent_by_itself() {
    let sink = Scripted::new().on("together", []);
    let expected = ["begin", "together", "left1", "left2", "finish"];
    assert_eq!(calls(&sink, job(&NAMES)).await, (expected.map(String::from).to_vec(), 18));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_none_of_a_file() {
    for step in [Step::Transient, Step::Permanent, Step::Full, Step::Panic, Step::Hang { bytes: 0 }]
    {
        let sink = Scripted::new().on("together", [step]);
        let (calls, delivered) = calls(&sink, job(&NAMES)).await;
        assert_eq!(calls[..3], ["begin", "together", "a"]);
        assert_eq!((calls.len(), delivered), (NAMES.len() + 3, NAMES.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn few_files_and_large_ones_are_sent_by_themselves() {
    let sink = Scripted::new().on("together", []);
    let mut job = job(&NAMES);
    for file in &mut job.files[..3] {
        file.bytes = 2 * 1024 * 1024;
    }
    let (calls, delivered) = calls(&sink, job).await;
    assert!(!calls.contains(&"together".to_owned()), "{calls:?}");
    assert_eq!(delivered, NAMES.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_there_is_not_sent_again() {
    let sink = Scripted::new().on("together", []);
    let mut job = job(&NAMES);
    let there = job.files.iter().take(17).map(|file| (0, file.kind, file.path.clone()));
    job.delivered = there.map(|key| (key, Vec::new())).collect();
    let (outcome, settled) = deliver_to(&sink, job).await;
    assert_eq!(settled, ["p: delivered"]);
    assert_eq!(outcome.reports[0].delivered, 18);
}

#[tokio::test(start_paused = true)]
async fn stopped_while_files_are_sent_together() {
    let slow = Step::Slow { bytes: 1, each: SECOND * 5, answer: SECOND };
    let sink = Scripted::new().on("together", [slow]);
    let job = job(&NAMES);
    let stop = job.stop.clone();
    let delivered = calls(&sink, job);
    let stopping = async {
        sink.called("together").await;
        stop.cancel();
    };
    let ((calls, delivered), ()) = tokio::join!(delivered, stopping);
    assert_eq!(delivered, 0);
    assert_eq!(calls[..2], ["begin", "together"]);
}
