//! The schema of a spec: it has the keys that are read, and accepts what is written.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::json::keys::{
    INPUT_KEYS, KEYS, LIMIT_KEYS, OUTPUT_KEYS, PORT_KEYS, RESOURCE_KEYS, SSH_KEYS, STREAMING_KEYS,
};
use super::super::*;
use super::{EXAMPLE, random};

fn schema() -> Value {
    schemars::schema_for!(JobSpec).to_value()
}

/// Whether the object at this place of the schema has exactly these keys, in this order.
#[track_caller]
fn check_keys(schema: &Value, at: &str, keys: &[&str]) {
    let object = schema.pointer(at).unwrap();
    assert_eq!(object["additionalProperties"], false, "{at}");
    let found: Vec<&str> =
        object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(found, keys, "{at}");
}

#[test]
fn its_keys_are_those_that_are_read() {
    let schema = schema();
    check_keys(&schema, "", &KEYS);
    check_keys(&schema, "/properties/limits", &LIMIT_KEYS);
    check_keys(&schema, "/properties/resources", &RESOURCE_KEYS);
    check_keys(&schema, "/properties/ports/items", &PORT_KEYS);
    // Without `null`, and without `true` and `false`.
    let fields = "anyOf/0/anyOf/1";
    check_keys(&schema, &format!("/properties/ssh/{fields}"), &SSH_KEYS);
    check_keys(&schema, &format!("/properties/streaming/{fields}"), &STREAMING_KEYS);
    for (key, kinds) in [("input_volumes", &INPUT_KEYS), ("output_volumes", &OUTPUT_KEYS)] {
        let all = schema.pointer(&format!("/properties/{key}/additionalProperties/anyOf/0/oneOf"));
        assert_eq!(all.unwrap().as_array().unwrap().len(), kinds.len());
        for (index, (kind, keys)) in kinds.iter().enumerate() {
            let one = format!("/properties/{key}/additionalProperties/anyOf/0/oneOf/{index}");
            check_keys(&schema, &one, keys);
            let of_type = format!("{one}/properties/type/const");
            assert_eq!(schema.pointer(&of_type), Some(&json!(kind)));
        }
    }
}

#[test]
fn it_accepts_what_is_read_and_refuses_what_is_not() {
    let schema = schema();
    for (spec, expected) in [
        (serde_json::from_str(EXAMPLE).unwrap(), true),
        (json!({ "image": "alpine", "limits": { "start": "2h", "execute": null } }), true),
        (json!({ "image": "alpine", "args": null, "env": null, "ssh": false }), true),
        (json!({ "image": "alpine", "resources": { "memory": "8GB" } }), true),
        (json!({ "job": "train", "data": [1], "app": "x", "streaming": true }), true),
        (json!({}), false),
        (json!({ "image": "alpine", "job": "train" }), false),
        (json!({ "image": "alpine", "data": null }), false),
        (json!({ "job": "train", "ports": [] }), false),
        (json!({ "image": "alpine", "evn": {} }), false),
        (json!({ "image": "alpine", "limits": { "start": null } }), false),
        (json!({ "image": "alpine", "limits": { "start": -1 } }), false),
        (json!({ "image": "alpine", "namespace": "" }), false),
        (json!({ "image": "alpine", "executor_class": "a b" }), false),
        (json!({ "image": "alpine", "resources": { "memory": 1.5 } }), false),
        (json!({ "image": "alpine", "ports": [{ "name": "web", "port": 80 }] }), false),
        (json!({ "image": "alpine", "publish": ["8080"] }), false),
        (
            json!({ "image": "alpine", "input_volumes": { "/x": { "type": "inline", "contents": "" } } }),
            false,
        ),
        (json!({ "image": "alpine", "input_volumes": { "/volume/x": { "type": "http" } } }), false),
    ] {
        assert_eq!(accepts(&schema, &spec), expected, "{spec}");
        assert_eq!(JobSpec::from_json(&spec.to_string()).is_ok(), expected, "{spec}");
    }
}

proptest! {
    #[test]
    fn it_accepts_what_is_written(spec in random::spec()) {
        let written = serde_json::to_value(&spec).unwrap();
        prop_assert!(accepts(&schema(), &written), "{}", written);
        prop_assert_eq!(JobSpec::from_json(&written.to_string()).is_ok(), true);
    }
}

/// As much of a validator as the schema of a spec needs. A keyword that it does not know is a failure.
fn accepts(schema: &Value, value: &Value) -> bool {
    let rules = match schema {
        Value::Bool(verdict) => return *verdict,
        Value::Object(rules) => rules,
        other => panic!("{other} is no schema"),
    };
    rules.iter().all(|(keyword, rule)| obeys(keyword, rule, rules, value))
}

fn obeys(keyword: &str, rule: &Value, rules: &Map<String, Value>, value: &Value) -> bool {
    let all = |rule: &Value| rule.as_array().unwrap().clone();
    let object = value.as_object();
    let length = value.as_str().map(|text| f64::from(u32::try_from(text.chars().count()).unwrap()));
    let is_at_most =
        |left: Option<f64>, right: Option<f64>| left.is_none() || right.is_none() || left <= right;
    match keyword {
        "$schema" | "title" | "description" | "format" => true,
        "type" if rule.is_array() => all(rule).iter().any(|one| is_of_type(one, value)),
        "type" => is_of_type(rule, value),
        "enum" => all(rule).contains(value),
        "const" => rule == value,
        "oneOf" => all(rule).iter().filter(|schema| accepts(schema, value)).count() == 1,
        "anyOf" => all(rule).iter().any(|schema| accepts(schema, value)),
        "minimum" => is_at_most(rule.as_f64(), value.as_f64()),
        "maximum" => is_at_most(value.as_f64(), rule.as_f64()),
        "exclusiveMinimum" => value.as_f64().is_none_or(|number| number > rule.as_f64().unwrap()),
        "minLength" => is_at_most(rule.as_f64(), length),
        "maxLength" => is_at_most(length, rule.as_f64()),
        "pattern" => value.as_str().is_none_or(|text| matches(rule.as_str().unwrap(), text)),
        "items" => value.as_array().is_none_or(|list| list.iter().all(|one| accepts(rule, one))),
        "required" => object.is_none_or(|object| {
            all(rule).iter().all(|key| object.contains_key(key.as_str().unwrap()))
        }),
        "properties" => object.is_none_or(|object| {
            let known = object.iter().filter_map(|(key, value)| Some((rule.get(key)?, value)));
            known.into_iter().all(|(schema, value)| accepts(schema, value))
        }),
        "additionalProperties" => object.is_none_or(|object| {
            let is_known =
                |key: &str| rules.get("properties").is_some_and(|known| known.get(key).is_some());
            object.iter().filter(|(key, _)| !is_known(key)).all(|(_, value)| accepts(rule, value))
        }),
        "propertyNames" => {
            object.is_none_or(|object| object.keys().all(|key| accepts(rule, &json!(key))))
        }
        other => panic!("unknown keyword `{other}`"),
    }
}

fn is_of_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type `{other}`"),
    }
}

/// Each pattern of the schema, by what it means.
fn matches(pattern: &str, text: &str) -> bool {
    let below = |directory: &str| {
        text.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match pattern {
        "^[a-zA-Z0-9._-]+$" => !text.is_empty() && text.bytes().all(is_known),
        "^/volume(/.*)?$" => below("/volume"),
        "^/output(/.*)?$" => below("/output"),
        "^[Hh][Tt][Tt][Pp][Ss]?://" => {
            let text = text.to_ascii_lowercase();
            text.starts_with("http://") || text.starts_with("https://")
        }
        "^[0-9a-fA-F]{64}$" => {
            text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        }
        "^[a-z]+[0-9]*$" => crate::rule::is_port_name(text),
        "^/[!-\"$-~]*$" => {
            text.starts_with('/')
                && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        }
        "^([a-z]+[0-9]*|[0-9]+):[0-9]+$" => text.split_once(':').is_some_and(|(port, number)| {
            let is_number =
                |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            (crate::rule::is_port_name(port) || is_number(port)) && is_number(number)
        }),
        other => panic!("unknown pattern `{other}`"),
    }
}
