//! The data of a run: `--data` or that of `--spec` first, then each `--set` on top of it, then the options of its fields.

use std::io;

use chutes_console::{Problem, read_bounded, read_file};
use chutes_core::{Json, JsonError};

use super::options::Given;
use crate::data_schema::DataSchema;

/// The most data that is read from a file or from standard input, in MiB. Larger data belongs into input files.
const MAX_MIB: u64 = 64;

/// What is read, in messages.
const WHAT: &str = "the data";

/// The data of the arguments; `{}` when they have none.
pub(super) fn from_arguments(
    given: Option<&str>,
    set: &[(String, String)],
    options: &[Given<'_>],
    schema: impl FnOnce() -> Option<Json>,
) -> Result<Json, Problem> {
    let base = given.map(read).transpose()?;
    let data = on_top_of(base.clone().unwrap_or_else(Json::empty_object), set, schema)?;
    with_options(data, options, base.as_ref(), set)
}

/// These data with what options of fields say. What is set in another way as well is refused; `base` is what `--data`
/// says.
pub(super) fn with_options(
    data: Json,
    options: &[Given<'_>],
    base: Option<&Json>,
    set: &[(String, String)],
) -> Result<Json, Problem> {
    options.iter().try_fold(data, |data, given| {
        let value = given.value()?;
        given.refuse_set(set)?;
        base.map_or(Ok(()), |base| given.refuse_data(base))?;
        set_field(&data, given.path(), value)
    })
}

fn set_field(data: &Json, path: &[impl AsRef<str>], value: Json) -> Result<Json, Problem> {
    data.with_field(path, value).map_err(|error| {
        let names: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
        Problem::wrong(format!("cannot set `{}`: {error}", names.join(".")))
    })
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
    let schema = schema().and_then(|schema| DataSchema::new(&schema));
    let mut data = base;
    for (key, text) in set {
        let path: Vec<&str> = key.split('.').collect();
        let is_text = schema.as_ref().is_some_and(|schema| wants_text(schema, &path));
        let field = parse(text, is_text).map_err(|error| not_json(&error))?;
        data = set_field(&data, &path, field)?;
    }
    Ok(data)
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

/// Whether only a text can be at this place, or nothing.
fn wants_text(schema: &DataSchema, path: &[&str]) -> bool {
    let mut is_text = false;
    let only_texts = schema.types(path).into_iter().all(|names| {
        names.is_some_and(|names| {
            is_text |= names.contains(&"string");
            names.iter().all(|name| ["string", "null"].contains(name))
        })
    });
    is_text && only_texts
}

/// Parses the text of a value. If the schema requires a text, it stays one, even if it looks like a number.
fn parse(text: &str, is_text: bool) -> Result<Json, JsonError> {
    if is_text {
        return Json::from_value(&text);
    }
    Json::parse(text).or_else(|_| Json::from_value(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r##"{"properties": {"name": {"type": "string"},
            "note": {"type": ["string", "null"]},
            "inner": {"properties": {"id": {"type": "string"}}},
            "plain": {"$ref": "#/$defs/N"}, "maybe": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]},
            "labels": {"additionalProperties": {"type": "string"}},
            "either": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
            "$defs": {"N": {"properties": {"version": {"type": "string"}, "self": {"$ref": "#/$defs/N"}}}}}"##;

    #[track_caller]
    fn check(given: Option<&str>, set: &[(&str, &str)], expected: Result<&str, &str>) {
        let set: Vec<_> = set.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let found = from_arguments(given, &set, &[], || Some(Json::parse(SCHEMA).unwrap()));
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
        check(None, &[("epochs", "20"), ("rate", "1e-3")], Ok(r#"{"epochs":20,"rate":1e-3}"#));
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
        // Also behind references, in what may be missing, and in maps; not where a number is possible, too.
        for path in ["plain.version", "plain.self.self.version", "maybe.version", "labels.any"] {
            let found = from_arguments(None, &[(path.to_owned(), "1.10".to_owned())], &[], || {
                Some(Json::parse(SCHEMA).unwrap())
            });
            assert!(found.unwrap().as_str().contains(r#":"1.10"}"#), "{path}");
        }
        check(None, &[("either", "1.10")], Ok(r#"{"either":1.10}"#));
    }

    #[test]
    fn what_is_not_set_stays_as_it_was_written() {
        let large = r#"{"a":340282366920938463463374607431768211455,"b":1.10,"c":{"d":1e400}}"#;
        check(
            Some(large),
            &[("c.e", "18446744073709551616")],
            Ok(
                r#"{"a":340282366920938463463374607431768211455,"b":1.10,"c":{"d":1e400,"e":18446744073709551616}}"#,
            ),
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
