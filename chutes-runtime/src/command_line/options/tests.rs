//! The options of schemas, and what arguments with them say.

use chutes_core::Json;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::command_line::data;

fn options(properties: &Value) -> DataOptions {
    let schema = Json::from_value(&json!({"properties": properties})).unwrap();
    DataOptions::from_schema("trains", "", &schema)
}

fn names(options: &DataOptions) -> Vec<&str> {
    options.options.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn names_of_options() {
    let integer = json!({"type": "integer"});
    let nested =
        json!({"properties": {"max_step": integer, "b": {"type": "array", "items": integer}}});
    let options = options(&json!({
        "learning_rate": integer, "learning-rate": integer, "camelCase": integer, "größe": integer,
        "the_optimizer": nested, "json": integer, "run_dir": integer, "help": integer,
        "a.b": integer, "free": true, "_ssh_public_key": {"type": "string"},
        "items": {"type": "array", "items": nested},
    }));
    let expected =
        ["learning-rate", "camelCase", "größe", "the-optimizer.max-step", "the-optimizer.b"];
    assert_eq!(names(&options), expected);
    let without: Vec<String> =
        options.without.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let expected = [
        "learning-rate: `--learning-rate` is another field",
        "json: `--json` is an option of `run`",
        "run_dir: `--run-dir` is an option of `run`",
        "help: `--help` is an option of `run`",
        "a.b: integer",
        "free: any JSON",
        "items: list of objects",
    ];
    assert_eq!(without, expected);
}

/// The data that a command line says, or the message of what is wrong with it.
fn data_of(properties: &Value, arguments: &[&str]) -> Result<String, String> {
    let options = options(properties);
    let command = Command::new("jobs").subcommand(options.command("jobs"));
    let matches = command
        .try_get_matches_from([&["jobs", "run", "trains"], arguments].concat())
        .map_err(|error| error.to_string())?;
    let (_, run) = matches.subcommand().unwrap();
    let set: Vec<_> =
        run.get_many::<(String, String)>("set").unwrap_or_default().cloned().collect();
    let base = run.get_one::<String>("data").map(String::as_str);
    let data = data::from_arguments(base, &set, &options.given(&matches), || None);
    data.map(|data| data.to_string()).map_err(|problem| format!("{problem:?}"))
}

/// Checks the data that these arguments give, or a part of what is wrong with them.
#[track_caller]
fn check(cases: &[(&[&str], Result<&str, &str>)]) {
    let properties = json!({
        "count": {"type": "integer", "minimum": 1},
        "rate": {"type": "number"},
        "name": {"type": "string"},
        "verbose": {"type": "boolean"},
        "way": {"enum": ["fast", "slow"]},
        "layers": {"type": "array", "items": {"type": "integer"}, "minItems": 2},
        "words": {"type": "array", "items": {"type": "string"}},
        "inner": {"properties": {"max_step": {"type": "number"}, "id": {"type": "string"}}},
    });
    for (arguments, expected) in cases {
        let found = data_of(&properties, arguments);
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{arguments:?}"),
            (Err(found), Err(part)) => assert!(found.contains(part), "{arguments:?}: {found}"),
            _ => panic!("{arguments:?}: {found:?}"),
        }
    }
}

#[test]
fn data_of_arguments() {
    check(&[
        (&[], Ok("{}")),
        (&["--count", "7", "--rate", "-1e-3"], Ok(r#"{"count":7,"rate":-1e-3}"#)),
        (&["--name=-x"], Ok(r#"{"name":"-x"}"#)),
        (&["--name", "-1"], Ok(r#"{"name":"-1"}"#)),
        (&["--name="], Ok(r#"{"name":""}"#)),
        (&["--name", "007"], Ok(r#"{"name":"007"}"#)),
        (&["--verbose"], Ok(r#"{"verbose":true}"#)),
        (&["--verbose=false"], Ok(r#"{"verbose":false}"#)),
        (&["--way", "slow"], Ok(r#"{"way":"slow"}"#)),
        (&["--layers", "1", "--layers=-2"], Ok(r#"{"layers":[1,-2]}"#)),
        (&["--words", "a,b", "--words", "c"], Ok(r#"{"words":["a,b","c"]}"#)),
        (&["--inner.max_step", "1", "--inner.id", "1"], Ok(r#"{"inner":{"max_step":1,"id":"1"}}"#)),
        (&["--inner.max-step=1", "--set", "inner.x=2"], Ok(r#"{"inner":{"x":2,"max_step":1}}"#)),
        (&["--count=1", "--data", r#"{"rate":1.10}"#], Ok(r#"{"rate":1.10,"count":1}"#)),
        (&["--inner.id=1", "--data", r#"{"inner":{"x":2}}"#], Ok(r#"{"inner":{"x":2,"id":"1"}}"#)),
        (&["--count", "0"], Err("--count: `0` is not a whole number that is at least 1")),
        (&["--count", "--rate"], Err("a value is required for '--count <INTEGER>'")),
        (&["--layers", "1"], Err("--layers: there must be at least 2 values, and not 1")),
        (&["--layers=1", "--layers=x"], Err("--layers: `x` is not a whole number")),
        (&["--count=1", "--count=1"], Err("--count: it is given 2 times, and takes one value")),
    ]);
}

#[test]
fn what_is_given_twice() {
    check(&[
        (
            &["--count=1", "--set", "count=1"],
            Err("`count` is given twice: by `--count` and by `--set count=…`"),
        ),
        (
            &["--inner.id=1", "--set", "inner={}"],
            Err("`inner.id` is given twice: by `--inner.id` and by `--set inner=…`"),
        ),
        (
            &["--name=1", "--set", "name.x=1"],
            Err("`name` is given twice: by `--name` and by `--set name.x=…`"),
        ),
        (
            &["--count=1", "--data", r#"{"count":1}"#],
            Err("`count` is given twice: by `--count` and by `--data`"),
        ),
        (
            &["--inner.id=1", "--data", r#"{"inner":null}"#],
            Err("`inner.id` is given twice: by `--inner.id` and by `--data`"),
        ),
        (
            &["--count=1", "--data", "[]"],
            Err("`count` is given twice: by `--count` and by `--data`"),
        ),
    ]);
}

#[test]
fn value_that_is_not_utf8() {
    use std::os::unix::ffi::OsStringExt;

    let options = options(&json!({"name": {"type": "string"}}));
    let command = Command::new("jobs").subcommand(options.command("jobs"));
    let words = [b"jobs".to_vec(), b"run".to_vec(), b"trains".to_vec(), b"--name=\xff".to_vec()];
    let matches = command.get_matches_from(words.map(OsString::from_vec));
    let problem = options.given(&matches)[0].value().unwrap_err();
    assert!(format!("{problem:?}").contains("--name: the value is not UTF-8"), "{problem:?}");
}

proptest! {
    /// Whatever the fields are called, clap finds nothing wrong with their options.
    #[test]
    fn any_names(names in proptest::collection::vec("[a-c_.=-]{0,4}|\\PC{0,4}|json|help|h|set", 0..8)) {
        let properties = names.into_iter().map(|name| (name, json!({"type": "integer"}))).collect();
        options(&Value::Object(properties)).command("jobs").debug_assert();
    }
}
