//! `show` tells everything about one run, by whatever it is called.

use chutes::Outcome;
use chutes_test_support::Finished;
use serde_json::Value;

use super::{id_of, let_go, several};
use crate::programs::new_sandbox;
use crate::recovering::old_runs::copy_run;

#[track_caller]
fn shown(finished: &Finished) -> Value {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn runs_of_every_kind() {
    let (sandbox, living) = several();
    for (name, state, words) in [
        ("completed", "ended", "status     completed\n"),
        ("failed", "ended", "status     failed\n"),
        (
            "killed",
            "interrupted",
            "status     interrupted: its supervisor is gone; this finishes it: ",
        ),
        ("living", "running", "status     running: execute\n"),
    ] {
        let run = shown(&sandbox.run(&format!("show {name} --json")));
        assert_eq!(
            (&run["state"], &run["run_id"]),
            (&state.into(), &id_of(&sandbox.path("runs").join(name)).into())
        );
        assert_eq!(run["outcome"].is_null(), state != "ended", "{run}");
        assert_eq!(run["ended"].is_null(), state != "ended", "{run}");
        assert_eq!(run["phase"]["name"] == "execute", state != "ended", "{run}");
        assert_eq!(run["phases"][0]["name"], "start");
        let text = sandbox.run(&format!("show {name}")).stdout;
        assert!(text.contains(words) && text.contains("\nPHASE "), "{text}");
    }
    let text = sandbox.run("show failed").stdout;
    for part in
        ["OUTPUT", "partial.txt", "failed: the settings are wrong", "caused by: invalid digit"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let run = shown(&sandbox.run("show completed --json"));
    let outcome: Outcome = serde_json::from_value(run["outcome"].clone()).unwrap();
    let written = std::fs::read(sandbox.path("runs/completed/outcome.json")).unwrap();
    assert_eq!(outcome, serde_json::from_slice(&written).unwrap());
    assert!(sandbox.run("show completed").stdout.contains("endpoint   web "));
    let_go(&sandbox, "runs/living", living);
}

#[test]
fn names_of_a_run() {
    let (sandbox, living) = several();
    let id = id_of(&sandbox.path("runs/failed"));
    for name in ["failed", "runs/failed", "./runs/failed/", &id, &id[28..], &id.to_uppercase()] {
        assert_eq!(shown(&sandbox.run(&format!("show {name} --json")))["run_id"], *id, "{name}");
    }
    let elsewhere = sandbox.run(&format!("show {id} --runs nowhere"));
    assert_eq!(elsewhere.code, Some(2), "{elsewhere:#?}");
    // The ids begin with the time.
    let ambiguous = sandbox.run(&format!("show {}", &id[..6]));
    assert_eq!(ambiguous.code, Some(2), "{ambiguous:#?}");
    let expected = format!("error: `{}` is the beginning of 4 ids", &id[..6]);
    assert_eq!(ambiguous.errors(), [expected]);
    assert!(ambiguous.stderr.contains(&id), "{ambiguous:#?}");
    for name in ["0000", "abc", "nothing"] {
        let unknown = sandbox.run(&format!("show {name}"));
        assert_eq!(unknown.code, Some(2), "{unknown:#?}");
        assert_eq!(unknown.errors(), [format!("error: there is no run `{name}` in `runs`")]);
    }
    let_go(&sandbox, "runs/living", living);
}

#[test]
fn old_runs() {
    let sandbox = new_sandbox();
    copy_run(&sandbox, "completed");
    let run = shown(&sandbox.run("show ./completed --json"));
    assert_eq!((&run["status"], &run["outcome"]["result"]), (&"completed".into(), &2.into()));
}

/// What cannot be read is another mistake than what is not there.
#[test]
fn unreadable_runs() {
    let sandbox = new_sandbox();
    let log = sandbox.path("runs/foreign/run.jsonl");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(&log, "{\"name\": \"mine\"}\n").unwrap();
    let refused = sandbox.run("show foreign");
    assert_eq!((refused.code, &*refused.stdout), (Some(4), ""), "{refused:#?}");
    let said =
        format!("error: `{}` does not begin like the log of a run", "runs/foreign/run.jsonl");
    let errors = refused.errors();
    assert!(errors[0].ends_with(said.trim_start_matches("error: `")), "{errors:?}");
}

/// A log that was damaged tells what it can.
#[test]
fn a_damaged_log() {
    let sandbox = new_sandbox();
    assert_eq!(sandbox.run("run echo --set epochs=1 --run-dir run").code, Some(0));
    let log = sandbox.path("run/run.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replace("\"accepted\"", "\"received\"")).unwrap();
    let shown = sandbox.run("show ./run");
    assert_eq!(shown.code, Some(0), "{shown:#?}");
    assert!(shown.stdout.contains("is damaged from line "), "{shown:#?}");
}
