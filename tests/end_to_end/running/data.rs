//! The data of a run: `--data` in all its forms, and `--set`.

use std::fs::File;

use chutes_test_support::{Finished, Sandbox, finish};

use crate::programs::new_sandbox;

/// The data of a job that shows its context.
#[track_caller]
fn received(finished: &Finished) -> serde_json::Value {
    let result = finished.outcome().result.unwrap();
    result.to::<serde_json::Value>().unwrap()["data"].take()
}

#[test]
fn data_from_a_file() {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("in.json"), "{\"a\":\n [1, 2]}\n").unwrap();
    let finished = sandbox.run("run shows_its_context --data @in.json --json");
    assert_eq!(received(&finished), serde_json::json!({"a": [1, 2]}));
}

/// Some editors write it.
#[test]
fn byte_order_marks_are_read_past() {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("in.json"), "\u{feff}{\"a\": 1}").unwrap();
    let finished = sandbox.run("run shows_its_context --data @in.json --json");
    assert_eq!(received(&finished), serde_json::json!({"a": 1}));
}

/// A negative number is no option.
#[test]
fn negative_numbers() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run shows_its_context --data -5 --json");
    assert_eq!(received(&finished), serde_json::json!(-5));
}

#[test]
fn data_from_standard_input() {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("in.json"), "[true]").unwrap();
    let mut command = sandbox.command(&["run", "shows_its_context", "--data", "-", "--json"]);
    command.stdin(File::open(sandbox.path("in.json")).unwrap());
    assert_eq!(received(&finish(command)), serde_json::json!([true]));
}

#[test]
fn fields() {
    for (arguments, expected) in [
        ("--set a=1 --set b=x", serde_json::json!({"a": 1, "b": "x"})),
        ("--set a.b=1 --set a.c.d=[2]", serde_json::json!({"a": {"b": 1, "c": {"d": [2]}}})),
        (r#"--data {"a":1,"b":2} --set a=x=y"#, serde_json::json!({"a": "x=y", "b": 2})),
        ("--set a= --set b=null --set c=1e3", serde_json::json!({"a": "", "b": null, "c": 1e3})),
        ("--set a=1 --set a=2", serde_json::json!({"a": 2})),
    ] {
        let sandbox = new_sandbox();
        let finished = sandbox.run(&format!("run shows_its_context {arguments} --json"));
        assert_eq!(received(&finished), expected, "{arguments}");
    }
}

/// A field whose schema says text stays a text.
#[test]
fn fields_have_the_type_of_the_schema() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run echo --set epochs=7 --set label=007 --json");
    let result = finished.outcome().result.unwrap();
    assert_eq!(result.as_str(), r#"{"epochs":7,"rate":0.5,"label":"007"}"#);
}

/// Nothing is made when the data cannot even be read.
#[track_caller]
fn check_unreadable(sandbox: &Sandbox, arguments: &str, errors: &[&str], hint: Option<&str>) {
    let before = sandbox.entries();
    let finished = sandbox.run(&format!("run shows_its_context {arguments} --json"));
    assert_eq!(finished.code, Some(2), "{finished:#?}");
    assert_eq!(finished.stdout, "");
    assert_eq!(finished.errors(), errors);
    let found = finished.stderr.lines().find_map(|line| line.strip_prefix("hint: "));
    assert_eq!(found, hint);
    assert_eq!(sandbox.entries(), before);
}

#[test]
fn unreadable_data() {
    let sandbox = new_sandbox();
    std::fs::write(sandbox.path("in.json"), "{}").unwrap();
    std::fs::write(sandbox.path("latin1.json"), b"\"\xe9\"").unwrap();
    for (arguments, error, hint) in [
        ("--data {", "the data is not JSON: EOF while parsing an object at line 1 column 1", None),
        (
            "--data in.json",
            "the data is not JSON: expected value at line 1 column 1",
            Some("to read the data from a file, write `--data @in.json`"),
        ),
        (
            "--data @none.json",
            "cannot read the data from `none.json`: No such file or directory (os error 2)",
            None,
        ),
        (
            "--data @latin1.json",
            "cannot read the data from `latin1.json`: stream did not contain valid UTF-8",
            None,
        ),
        ("--data - ", "the data is not JSON: EOF while parsing a value at line 1 column 0", None),
        ("--data [] --set a=1", "cannot set `a`: the data is not an object", None),
        ("--set a=1 --set a.b=1", "cannot set `a.b`: `a` is not an object", None),
    ] {
        check_unreadable(&sandbox, arguments, &[&format!("error: {error}")], hint);
    }
}

#[test]
fn data_that_is_too_large() {
    const LIMIT: u64 = 64 * 1024 * 1024;

    let sandbox = new_sandbox();
    let large = File::create(sandbox.path("large.json")).unwrap();
    large.set_len(LIMIT + 1).unwrap();
    let error = "error: the data in `large.json` is larger than 64 MiB";
    check_unreadable(&sandbox, "--data @large.json", &[error], None);

    let mut command = sandbox.command(&["run", "shows_its_context", "--data", "-"]);
    command.stdin(File::open("/dev/zero").unwrap());
    let finished = finish(command);
    assert_eq!(finished.code, Some(2));
    assert_eq!(finished.errors(), ["error: the data in standard input is larger than 64 MiB"]);
}

/// Data that would exhaust the stack of its reader.
#[test]
fn data_that_is_too_deep() {
    let sandbox = new_sandbox();
    let deep = |begin: &str, end: &str| begin.repeat(100_000) + "1" + &end.repeat(100_000);
    std::fs::write(sandbox.path("lists.json"), deep("[", "]")).unwrap();
    std::fs::write(sandbox.path("objects.json"), deep(r#"{"b":"#, "}")).unwrap();
    for (arguments, expected) in [
        ("--data @lists.json", "recursion limit exceeded"),
        ("--data @lists.json --set a=1", "cannot set `a`: the data is not an object"),
        ("--data @objects.json", "recursion limit exceeded"),
        ("--data @objects.json --set a=1", "recursion limit exceeded"),
        ("--data @objects.json --set b.b.a=1", "recursion limit exceeded"),
    ] {
        let finished = sandbox.run(&format!("run shows_its_context {arguments}"));
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        let errors = finished.errors();
        assert!(errors.len() == 1 && errors[0].contains(expected), "{arguments}: {errors:#?}");
    }
}
