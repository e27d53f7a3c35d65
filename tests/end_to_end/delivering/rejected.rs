//! A run that is rejected changes nothing at its sinks: they keep what an earlier run has delivered.

use std::collections::BTreeMap;
use std::path::Path;

use chutes_test_support::finish;
use chutes_test_support::servers::http::{Act, HttpServer, status};
use chutes_test_support::servers::platform::Platform;
use serde_json::json;

use super::{command, complete, files, run};
use crate::programs::new_sandbox;

/// All files below a folder with their contents.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn sinks_keep_what_they_have() {
    let sandbox = new_sandbox();
    let server = HttpServer::start(|_| Act::Answer(status(200)));
    let platform = Platform::start();
    let places = ["--output", "backup", "--output", "all.zip", "--live"];
    complete(&run(&sandbox, &files(&[("model.bin", 1_000)]), &places));
    std::fs::rename(sandbox.path("run"), sandbox.path("first")).unwrap();
    let before = (contents(&sandbox.path("backup")), std::fs::read(sandbox.path("all.zip")));
    let (model, zip) = (server.url("/model.bin"), format!("zip+{}", server.url("/all.zip")));
    let model = format!("model.bin={model}");
    let more = ["--output", "new/place", "--output", "other/all.zip", "--output", &model];
    let more = [&places[..], &more, &["--output", &zip]].concat();
    let mut command = command(&sandbox, "delivers", &json!({"then": "sleep"}), &more);
    command.env("CHUTES_STATUS_URL", platform.status_url());
    let finished = finish(command);
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    let outcome = finished.outcome();
    assert_eq!(outcome.status().to_string(), "rejected");
    // Only the status URL gets the outcome.
    assert_eq!(outcome.sinks.len(), 1, "{outcome:#?}");
    assert!(outcome.sinks[0].is_complete() && platform.job().is_finished);
    assert_eq!(platform.job().names, [""; 0]);
    assert_eq!(contents(&sandbox.path("backup")), before.0);
    assert_eq!(std::fs::read(sandbox.path("all.zip")).unwrap(), before.1.unwrap());
    assert_eq!(server.requests().len(), 0);
    assert_eq!(sandbox.entries(), ["all.zip", "backup", "first", "run"]);
    assert!(!sandbox.path("run/sinks.json").exists());
}
