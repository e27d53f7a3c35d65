//! Texts that no starter writes: other versions, keys that stand twice, deep nesting, wrong types.

use super::*;
use crate::spec::tests::random as specs;

#[track_caller]
fn check_version(text: &str, expected: &str) {
    assert_eq!(RunRequest::from_json(text).unwrap_err().to_string(), expected, "{text}");
}

#[test]
fn a_newer_version_is_refused_by_its_number_whatever_it_looks_like() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let newer = |version: u64| {
        format!(
            "the run request has version {version}, and this program reads version 1: use a newer chutes"
        )
    };
    check_version(r#"{"version": 7}"#, &newer(7));
    check_version(r#"{"run_id": 7, "secret": [1e999], "version": 2, "spec": "x"}"#, &newer(2));
    check_version(
        &format!(r#" {{"spec": {deep}, "version": 18446744073709551615}} "#),
        &newer(u64::MAX),
    );
    check_version(r#"{"x": 1, "x": 2, "version": 1, "version": 3}"#, &newer(3));
}

#[test]
fn a_version_is_a_known_number() {
    let whole = "$.version: expected the version as a whole number; this program reads version 1";
    let missing = "$.version: missing: the version of the request; this program reads version 1";
    check_version("{}", missing);
    check_version(r#"{"Version": 7, "spec": 1}"#, missing);
    check_version(
        r#"{"version": 0}"#,
        "$.version: there is no version 0; this program reads version 1",
    );
    check_version(r#"{"version": 1, "version": 1}"#, "$.version: the key stands twice");
    for wrong in ["-1", "1.0", "1e0", "null", "true", r#""1""#, "[1]", "{}", "18446744073709551616"]
    {
        check_version(&format!(r#"{{"version": {wrong}}}"#), whole);
    }
}

#[test]
fn texts_that_are_no_object() {
    for text in ["[]", "null", "7", r#""secret""#, " true "] {
        check_text(text, &[("$", "a run request is an object: `{…}`")]);
    }
    for text in
        ["", "{", "secret", r#"{"version": 1} secret"#, r#"{"version": 1,}"#, "{'version': 1}"]
    {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text}");
        assert!(problems[0].message.starts_with("not JSON: "), "{text}: {problems:?}");
        assert!(!problems[0].message.contains("secret"), "{problems:?}");
    }
}

#[test]
fn keys_that_stand_twice_are_refused() {
    let request = |more: &str| {
        format!(r#"{{"version":1,"run_id":"{ID}","directory":"x","spec":{{"job":"train"}}{more}}}"#)
    };
    let twice = "the key stands twice";
    for (more, path) in [
        (r#","live":true,"live":true"#, "$.live"),
        (r#","live":true,"l\u0069ve":true"#, "$.live"),
        (r#","access":{"host":"::","host":"::1"}"#, "$.access.host"),
        (r#","labels":{"a":"1","a":"2"}"#, "$.labels.a"),
        (r#","sinks":["x",{"url":"y","url":"z"}]"#, "$.sinks[1].url"),
        (r#","spec":{"job":"train"}"#, "$.spec"),
        (r#","directory":"y""#, "$.directory"),
    ] {
        check_text(&request(more), &[(path, twice)]);
    }
    let spec = |spec: &str| {
        format!(
            r#"{{"version":1,"run_id":"{ID}","directory":"x","spec":{{"job":"train",{spec}}}}}"#
        )
    };
    check_text(&spec(r#""env":{"A":"1","A":"2"}"#), &[("$.spec.env.A", twice)]);
    check_text(&spec(r#""data":{"a":1,"a":2}"#), &[]);
    check_text(&spec(r#""data":1,"data":2"#), &[("$.spec.data", twice)]);
    let many = r#","live":true"#.repeat(1_000);
    assert_eq!(problems(&request(&many)).len(), 16);
}

#[test]
fn deep_nesting_is_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (key, path) in [
        ("labels", "$.labels"),
        ("sinks", "$.sinks"),
        ("cache", "$.cache"),
        ("run_id", "$.run_id"),
        ("x", "$.x"),
    ] {
        let text = with(&json!({ key: "deep" })).replace(r#""deep""#, &deep);
        let paths: Vec<String> = problems(&text).into_iter().map(|problem| problem.path).collect();
        assert!(paths.iter().all(|found| found == path) && !paths.is_empty(), "{key}: {paths:?}");
    }
    let text = with(&json!({})).replace("\"alpine\"", &deep);
    assert!(problems(&text).iter().all(|problem| problem.path.starts_with("$.spec")));
}

#[test]
fn wrong_types_and_huge_numbers_are_refused_at_their_place() {
    let values =
        ["1e999", "-1", "1.5", "99999999999999999999", "\"\\ud800\"", "[[]]", "{\"a\":{}}"];
    for key in KEYS.into_iter().filter(|key| *key != "version") {
        for value in values {
            let text = with(&json!({ key: "HERE" })).replace("\"HERE\"", value);
            let problems = problems(&text);
            assert!(!problems.is_empty(), "{key}: {value}");
            let is_there = |found: &SpecProblem| found.path.starts_with(&format!("$.{key}"));
            assert!(problems.iter().all(is_there), "{key}: {value}: {problems:?}");
        }
    }
}

#[test]
fn a_text_that_is_too_long_is_not_looked_at() {
    let text = " ".repeat(RunRequest::MAX_BYTES + 1);
    let error = RunRequest::from_json(&text).unwrap_err();
    assert_eq!(error, RunRequestError::TooLong { bytes: 285_212_673 });
    let expected = "the run request has 285212673 bytes, and the longest one has 285212672";
    assert_eq!(error.to_string(), expected);
}

proptest! {
    #[test]
    fn no_text_panics(text in "[{}\\[\\]\":,a-z0-9_.\\\\ -]{0,80}") {
        let _ = RunRequest::from_json(&text);
        let _ = RunRequest::from_json(&format!("{{\"version\":1,{text}}}"));
    }

    #[test]
    fn no_value_panics(
        spec in specs::hostile(),
        values in proptest::collection::vec((0..KEYS.len(), specs::hostile()), 0..4),
    ) {
        let mut request = json!({ "spec": spec });
        for (key, value) in values {
            request[KEYS[key]] = value;
        }
        request["version"] = json!(1);
        if let Ok(read) = RunRequest::from_json(&with(&request)) {
            prop_assert_eq!(RunRequest::from_json(&read.to_json().unwrap()), Ok(read));
        }
    }
}
