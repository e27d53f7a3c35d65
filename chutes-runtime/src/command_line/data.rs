//! The data of a run: `--data` first, then each `--set` on top of it.

use std::io;

use chutes_console::{Problem, read_bounded, read_file};
use chutes_core::Json;
use serde_json::{Map, Value};

/// The most data that is read from a file or from standard input, in MiB. Larger data belongs into input files.
const MAX_MIB: u64 = 64;

/// What is read, in messages.
const WHAT: &str = "the data";

/// The data of the arguments; `{}` when they have none.
pub(super) fn from_arguments(
    given: Option<&str>,
    set: &[(String, String)],
    schema: impl FnOnce() -> Option<Json>,
) -> Result<Json, Problem> {
    let base = given.map(read).transpose()?;
    on_top_of(base.unwrap_or_else(Json::empty_object), set, schema)
}

/// These data with each `--set` applied.
pub(super) fn on_top_of(
    base: Json,
    set: &[(String, String)],
    schema: impl FnOnce() -> Option<Json>,
) -> Result<Json, Problem> {
    if set.is_empty() {
        return Ok(base);
    }
    let schema: Option<Value> = schema().and_then(|schema| schema.to().ok());
    let mut value: Value = base.to().map_err(|error| not_json(&error))?;
    for (key, text) in set {
        let path: Vec<&str> = key.split('.').collect();
        let field = parse(text, schema.as_ref().and_then(|schema| field_schema(schema, &path)));
        insert(&mut value, &path, field)
            .map_err(|at| Problem::wrong(format!("cannot set `{key}`: {at} is not an object")))?;
    }
    Json::from_value(&value).map_err(|error| not_json(&error))
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::wrong(format!("the data is not JSON: {error}"))
}

fn read(given: &str) -> Result<Json, Problem> {
    let text = if given == "-" {
        read_bounded(io::stdin().lock(), WHAT, "standard input", MAX_MIB)?
    } else if let Some(path) = given.strip_prefix('@') {
        read_file(path, WHAT, &format!("`{path}`"), MAX_MIB)?
    } else {
        given.to_owned()
    };
    Json::parse(&text).map_err(|error| {
        let problem = not_json(&error);
        if std::path::Path::new(given).is_file() {
            problem.hint(format!("to read the data from a file, write `--data @{given}`"))
        } else {
            problem
        }
    })
}

/// Parses the text of a value. If the schema requires a text, it stays one, even if it looks like a number.
fn parse(text: &str, schema: Option<&Value>) -> Value {
    if schema.is_some_and(wants_text) {
        return Value::String(text.to_owned());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn wants_text(schema: &Value) -> bool {
    match &schema["type"] {
        Value::String(name) => name == "string",
        Value::Array(names) => names.iter().all(|name| name == "string" || name == "null"),
        _ => false,
    }
}

fn field_schema<'a>(schema: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(schema, |schema, part| schema.get("properties")?.get(part))
}

/// Sets one field, and creates the objects of its path. The error is the part of the path that is no object.
fn insert(value: &mut Value, path: &[&str], field: Value) -> Result<(), String> {
    let mut at = value;
    for (depth, part) in path.iter().enumerate() {
        if at.is_null() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(fields) = at else {
            let place = path[..depth].join(".");
            return Err(if place.is_empty() { "the data".into() } else { format!("`{place}`") });
        };
        at = fields.entry(*part).or_insert(Value::Null);
    }
    *at = field;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(given: Option<&str>, set: &[(&str, &str)], expected: Result<&str, &str>) {
        let schema = r#"{"properties": {"name": {"type": "string"},
            "note": {"type": ["string", "null"]},
            "inner": {"properties": {"id": {"type": "string"}}}}}"#;
        let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let found = from_arguments(given, &set, || Some(Json::parse(schema).unwrap()));
        match expected {
            Ok(json) => assert_eq!(found.unwrap().as_str(), json),
            Err(part) => {
                let problem = format!("{:?}", found.unwrap_err());
                assert!(problem.contains(part), "{problem}");
            }
        }
    }

    #[test]
    fn data_and_fields() {
        check(None, &[], Ok("{}"));
        check(Some("[1, 2]"), &[], Ok("[1,2]"));
        check(None, &[("epochs", "20"), ("rate", "1e-3")], Ok(r#"{"epochs":20,"rate":0.001}"#));
        check(Some(r#"{"a": {"b": 1}}"#), &[("a.c", "[true]")], Ok(r#"{"a":{"b":1,"c":[true]}}"#));
        check(None, &[("word", "hello world"), ("x", "")], Ok(r#"{"word":"hello world","x":""}"#));
        check(Some("null"), &[("a.b", "1")], Ok(r#"{"a":{"b":1}}"#));
    }

    #[test]
    fn texts_stay_texts() {
        check(
            None,
            &[("name", "007"), ("note", "null"), ("inner.id", "1")],
            Ok(r#"{"name":"007","note":"null","inner":{"id":"1"}}"#),
        );
    }

    #[test]
    fn wrong_data() {
        check(Some("{"), &[], Err("the data is not JSON"));
        check(Some("@/does/not/exist"), &[], Err("cannot read the data from `/does/not/exist`"));
        check(Some("[]"), &[("a", "1")], Err("cannot set `a`: the data is not an object"));
        check(Some(r#"{"a": 1}"#), &[("a.b", "1")], Err("cannot set `a.b`: `a` is not an object"));
    }
}
