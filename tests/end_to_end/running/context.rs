//! What a job knows about its run.

use chutes_test_support::{Finished, finish, own_address};
use serde_json::{Value, json};

use crate::programs::new_sandbox;

/// What the job that shows its context returned.
#[track_caller]
fn shown(finished: &Finished) -> Value {
    finished.outcome().result.unwrap().to().unwrap()
}

#[test]
fn everything() {
    let sandbox = new_sandbox();
    let finished = sandbox.run(r#"run shows_its_context --data {"a":[1.0],"_key":"x"} --json"#);
    let expected = json!({
        "job": "shows_its_context",
        "run_id": finished.outcome().run_id.to_string(),
        "inputs": 0,
        "port": format!("{}:9090", own_address()),
        "unknown_port": "the job declares no port `web`",
        "attempt": 1,
        "deadline": false,
        // Unchanged, with the fields of the platform, which the job does not see otherwise.
        "raw_data": r#"{"a":[1.0],"_key":"x"}"#,
        "data": {"a": [1.0]},
        "temporary_directory": null,
        "working_directory": sandbox.path(".").canonicalize().unwrap(),
    });
    assert_eq!(shown(&finished), expected);
}

#[test]
fn deadline() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run shows_its_context --time-limit 1h --json");
    assert_eq!(shown(&finished)["deadline"], true);
}

/// The address of ports: by option, by environment, or this machine only.
#[test]
fn address_of_ports() {
    for (option, variable, expected) in [
        (None, None, "127.0.0.1:9090"),
        (Some("0.0.0.0"), None, "0.0.0.0:9090"),
        (Some("::"), Some("10.0.0.1"), "[::]:9090"),
        (None, Some("0.0.0.0"), "0.0.0.0:9090"),
    ] {
        let sandbox = new_sandbox();
        let mut command = sandbox.command(&["run", "shows_its_context", "--json"]);
        command.args(option.map(|address| format!("--host={address}")));
        command.env_remove("CHUTES_HOST");
        command.envs(variable.map(|address| ("CHUTES_HOST", address)));
        assert_eq!(shown(&finish(command))["port"], expected);
    }
}
