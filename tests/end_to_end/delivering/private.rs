//! Jobs whose files must not leave the directory of their run.

use chutes_test_support::finish;
use chutes_test_support::servers::platform::Platform;
use serde_json::json;

use super::{command, files, recover};
use crate::programs::new_sandbox;

#[test]
fn no_other_place_is_taken() {
    for (argument, variable) in [(Some("elsewhere"), None), (None, Some("elsewhere"))] {
        let sandbox = new_sandbox();
        let more: Vec<_> = argument.into_iter().flat_map(|place| ["--output", place]).collect();
        let data = files(&[("secret.bin", 100)]);
        let mut command = command(&sandbox, "keeps_to_itself", &data, &more);
        command.envs(variable.map(|place| ("CHUTES_OUTPUT", place)));
        let finished = finish(command);
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert_eq!(
            finished.errors(),
            ["error: job `keeps_to_itself` is declared with `upload = false`"]
        );
        assert_eq!(sandbox.entries(), [""; 0], "something was started");
    }
}

/// Without a sink it runs like any other job.
#[test]
fn files_stay_in_the_run() {
    let sandbox = new_sandbox();
    let data = files(&[("secret.bin", 100)]);
    let finished = finish(command(&sandbox, "keeps_to_itself", &data, &["--live"]));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.outcome().outputs.len(), 1);
}

#[test]
fn the_platform_is_told_the_outcome_only() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let data = json!({"files": [{"path": "secret.bin", "bytes": 100}], "result": {"loss": 0.5}});
    let url = platform.status_url();
    let more = ["--status-url", &url, "--live"];
    let finished = finish(command(&sandbox, "keeps_to_itself", &data, &more));
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let outcome = finished.outcome();
    assert!(outcome.sinks[0].is_complete(), "{outcome:#?}");
    assert!(outcome.outputs.iter().all(|file| file.deliveries.is_empty()), "{outcome:#?}");
    let job = platform.job();
    assert_eq!(job.calls, ["reported", "done"]);
    assert_eq!((job.status.as_str(), &job.result), ("complete", &json!({"loss": 0.5})));
    assert_eq!(job.names, [""; 0], "the names of the files were sent");
}

/// The same holds in `recover`, which knows the job by its name only.
#[test]
fn nothing_leaves_later_either() {
    let (platform, sandbox) = (Platform::start(), new_sandbox());
    let url = platform.status_url().replace("/jobs/7?", "/away?");
    let data = files(&[("secret.bin", 100)]);
    let finished = finish(command(&sandbox, "keeps_to_itself", &data, &["--status-url", &url]));
    assert_eq!(finished.code, Some(3), "{finished:#?}");
    // The address is corrected by hand.
    let sinks = json!([{"status_url": platform.status_url()}]);
    std::fs::write(sandbox.path("run/sinks.json"), sinks.to_string()).unwrap();
    assert!(recover(&sandbox, &[]).sinks[0].is_complete());
    let job = platform.job();
    assert_eq!(job.calls, ["reported", "done"]);
    assert_eq!((job.status.as_str(), job.names.len()), ("complete", 0), "{job:#?}");
}
