//! What the JSON Schema of a job's data says about one field: whether it is known, and whether it is a text.

use std::collections::BTreeSet;

use chutes_core::Json;
use serde_json::Value;

/// How many references are followed and alternatives entered on the way to one field. Schemas refer to themselves.
const MOST_STEPS: usize = 64;

/// The JSON Schema of the data of a job.
pub(crate) struct DataSchema {
    root: Value,
}

/// What may be at one place of the data: each is a schema without references and alternatives at its top.
type Alternatives<'a> = Vec<&'a Value>;

impl DataSchema {
    pub(crate) fn new(schema: &Json) -> Option<Self> {
        schema.to().ok().map(|root| Self { root })
    }

    /// The types that can be at this place, by the names of JSON Schema, with each alternative by itself: `None` is one
    /// that does not say it.
    pub(crate) fn types(&self, path: &[&str]) -> Vec<Option<Vec<&str>>> {
        self.at(path).into_iter().map(types).collect()
    }

    /// The names of the fields of the object at this place. `None` where it may have any, or need not be an object.
    pub(crate) fn fields(&self, path: &[&str]) -> Option<BTreeSet<&str>> {
        let (mut known, mut has_object) = (BTreeSet::new(), false);
        for schema in self.at(path) {
            let is_closed = |keyword: &str| {
                schema.get(keyword).is_none_or(|value| *value == Value::Bool(false))
            };
            let is_object = types(schema).is_none_or(|names| names.contains(&"object"));
            let names = schema.get("properties").and_then(Value::as_object);
            if !is_closed("additionalProperties") || !is_closed("patternProperties") {
                return None;
            }
            match names {
                Some(names) => known.extend(names.keys().map(String::as_str)),
                // A place for which anything is said but the fields can have any.
                None if is_object && !is_empty_variant(schema) => return None,
                None => {}
            }
            has_object |= names.is_some();
        }
        has_object.then_some(known)
    }

    /// The paths of all fields of these data that the schema does not list, in objects within objects. Fields of the
    /// platform are not among them.
    pub(crate) fn unlisted(&self, data: &Json) -> Vec<Vec<String>> {
        let (mut found, mut open) = (Vec::new(), vec![(Vec::new(), data.clone())]);
        while let Some((path, value)) = open.pop() {
            let known = self.fields(&names(&path));
            for (below, value) in fields_below(&path, &value) {
                match (below.as_slice(), &known) {
                    ([name], _) if name.starts_with('_') => {}
                    ([.., name], Some(known)) if !known.contains(name.as_str()) => {
                        found.push(below);
                    }
                    _ if path.len() < MOST_STEPS => open.push((below, value)),
                    _ => {}
                }
            }
        }
        found.sort();
        found
    }

    /// The path of the first value whose type is none of those that the schema allows there.
    pub(crate) fn misfit(&self, data: &Json) -> Option<String> {
        let mut open = vec![(Vec::new(), data.clone())];
        while let Some((path, value)) = open.pop() {
            let allowed = self.types(&names(&path));
            let fits = |names: &Option<Vec<&str>>| {
                names.as_ref().is_none_or(|names| names.iter().any(|name| is_of(&value, name)))
            };
            if !path.is_empty() && !allowed.is_empty() && !allowed.iter().any(fits) {
                return Some(path.join("."));
            }
            if path.len() < MOST_STEPS {
                open.extend(fields_below(&path, &value).into_iter().rev());
            }
        }
        None
    }

    /// What may be at this place.
    fn at<'a>(&'a self, path: &[&str]) -> Alternatives<'a> {
        let start = self.expanded(&self.root);
        path.iter().fold(start, |schemas, name| {
            let below = schemas.into_iter().filter_map(|schema| {
                schema
                    .get("properties")
                    .and_then(|fields| fields.get(name))
                    .or_else(|| schema.get("additionalProperties"))
            });
            below.flat_map(|schema| self.expanded(schema)).collect()
        })
    }

    /// A schema, with its references and alternatives resolved.
    fn expanded<'a>(&'a self, schema: &'a Value) -> Alternatives<'a> {
        let (mut open, mut found, mut steps) = (vec![schema], Vec::new(), 0);
        while let Some(schema) = open.pop() {
            steps += 1;
            let target =
                schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
            let target = target.and_then(|pointer| self.root.pointer(pointer));
            let lists = ["allOf", "anyOf", "oneOf"]
                .map(|keyword| schema.get(keyword).and_then(Value::as_array));
            let below: Vec<&Value> =
                target.into_iter().chain(lists.into_iter().flatten().flatten()).collect();
            // A schema with alternatives may have fields of its own, which all of them have.
            if below.is_empty() || schema.get("properties").is_some() || steps > MOST_STEPS {
                found.push(schema);
            }
            if steps <= MOST_STEPS {
                open.extend(below);
            }
        }
        found
    }
}

/// The fields of an object with their paths.
fn fields_below(path: &[String], value: &Json) -> Vec<(Vec<String>, Json)> {
    let fields = value.fields().unwrap_or_default();
    fields.into_iter().map(|(name, value)| ([path, &[name]].concat(), value)).collect()
}

fn names(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

/// The names of types that a schema allows, if it says so.
fn types(schema: &Value) -> Option<Vec<&str>> {
    match schema.get("type") {
        Some(Value::String(name)) => Some(vec![name]),
        Some(Value::Array(names)) => Some(names.iter().filter_map(Value::as_str).collect()),
        _ if schema.get("const").is_some_and(Value::is_string) => Some(vec!["string"]),
        _ => None,
    }
}

/// Whether a value has the type of this name.
fn is_of(value: &Json, name: &str) -> bool {
    let text = value.as_str();
    match name {
        "object" => text.starts_with('{'),
        "array" => text.starts_with('['),
        "string" => text.starts_with('"'),
        "boolean" => matches!(text, "true" | "false"),
        "null" => value.is_null(),
        "integer" => is_number(text) && !text.contains(['.', 'e', 'E']),
        "number" => is_number(text),
        _ => true,
    }
}

fn is_number(text: &str) -> bool {
    text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

/// Whether a schema is that of a variant that is only a name.
fn is_empty_variant(schema: &Value) -> bool {
    schema.get("const").is_some() || schema.get("enum").is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Settings {
        name: String,
        #[serde(flatten)]
        common: Common,
        nested: Option<Nested>,
        way: Way,
        labels: BTreeMap<String, String>,
        free: Value,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Common {
        epochs: u32,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Nested {
        version: String,
        inner: Option<Box<Nested>>,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Way {
        Fast { speed: u8 },
        Slow { pauses: u8 },
    }

    fn schema() -> DataSchema {
        let settings = schemars::generate::SchemaSettings::draft2020_12().for_deserialize();
        let root = settings.into_generator().into_root_schema_for::<Settings>();
        DataSchema { root: root.to_value() }
    }

    #[test]
    fn fields_at_a_place() {
        let schema = schema();
        for (path, expected) in [
            (&[][..], Some(&["common", "epochs", "free", "labels", "name", "nested", "way"][..])),
            (&["nested"], Some(&["inner", "version"])),
            (&["nested", "inner", "inner"], Some(&["inner", "version"])),
            (&["way"], Some(&["kind", "pauses", "speed"])),
            (&["labels"], None),
            (&["free"], None),
            (&["name"], None),
            (&["absent"], None),
        ] {
            let expected =
                expected.map(|names| names.iter().copied().filter(|name| *name != "common"));
            assert_eq!(schema.fields(path), expected.map(Iterator::collect), "{path:?}");
        }
    }

    #[test]
    fn what_does_not_fit() {
        let schema = schema();
        for (data, unlisted, misfit) in [
            (r#"{"name":"a","epochs":3,"_ssh_public_key":""}"#, &[][..], None),
            (
                r#"{"epoch":3,"nested":{"versio":"1","inner":{"x":1}}}"#,
                &["epoch", "nested.inner.x", "nested.versio"],
                None,
            ),
            (r#"{"epochs":"three"}"#, &[], Some("epochs")),
            (r#"{"nested":{"inner":{"version":1}}}"#, &[], Some("nested.inner.version")),
            (r#"{"labels":{"a":"b","c":1},"free":[]}"#, &[], Some("labels.c")),
            ("[]", &[], None),
        ] {
            let data = Json::parse(data).unwrap();
            let paths: Vec<String> =
                schema.unlisted(&data).iter().map(|path| path.join(".")).collect();
            assert_eq!(paths, unlisted, "{data}");
            assert_eq!(schema.misfit(&data).as_deref(), misfit, "{data}");
        }
    }

    #[test]
    fn types_at_a_place() {
        let schema = schema();
        for (path, expected) in [
            (&["name"][..], &["string"][..]),
            (&["nested", "inner", "version"], &["string"]),
            (&["labels", "any"], &["string"]),
            (&["way", "kind"], &["string", "string"]),
            (&["epochs"], &["integer"]),
            (&["free"], &["?"]),
            (&["nested"], &["null", "object"]),
            (&["absent"], &[]),
        ] {
            let types = schema.types(path);
            let shown = types
                .iter()
                .map(|names| names.as_ref().map_or("?".into(), |names| names.join("|")));
            assert_eq!(shown.collect::<Vec<_>>(), expected, "{path:?}");
        }
    }
}
