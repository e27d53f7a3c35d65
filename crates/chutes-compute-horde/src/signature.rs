//! The texts that a client of the ComputeHorde API signs.
//!
//! A signature is made over `BLAKE2b-512(timestamp in nanoseconds, 8 bytes, big-endian ‖ payload)`, where
//! the payload is the text of one of the two scopes, [`signed_fields`] or [`full_request_text`], written
//! as a JSON string once more ([`signature_payload`]). All of it has to be the same to the last byte.

use std::fmt::Write;

use chutes_core::SpecErrors;
use chutes_core::reader::{Located, Problems};
use serde_json::{Map, Value, json};

/// The text of the scope `SignedFields` of a request to create a job: some fields in an order of their own,
/// with defaults, compact, everything but control characters as it is.
///
/// ```
/// use chutes_compute_horde::signed_fields;
///
/// let text = signed_fields(r#"{"docker_image": "café", "env": {"b": "1", "a": "2"}}"#)?;
/// assert!(text.starts_with(r#"{"executor_class":"None","docker_image":"café","args":[],"#));
/// assert!(text.contains(r#""env":{"b":"1","a":"2"}"#));
/// # Ok::<(), chutes_core::SpecErrors>(())
/// ```
pub fn signed_fields(body: &str) -> Result<String, SpecErrors> {
    let mut problems = Problems::default();
    let value = problems.check("$", serde_json::from_str::<Value>(body));
    let at = value.map(|value| Located { path: "$".to_owned(), value });
    let text = at.and_then(|at| {
        let Value::Object(map) = at.value else { return at.wrong("an object", &mut problems) };
        Some(fields(map, &mut problems).to_string())
    });
    problems.finish(text)
}

fn fields(mut map: Map<String, Value>, problems: &mut Problems) -> Value {
    let mut take = |key: &str, default: Value, expected: &str, is: fn(&Value) -> bool| {
        // A value that is missing, and one that is `null`, stand for the default.
        let value = map.remove(key).filter(|value| !value.is_null()).unwrap_or(default);
        if !is(&value) {
            Located { path: format!("$.{key}"), value: value.clone() }
                .wrong::<()>(expected, problems);
        }
        value
    };
    let seconds = "a whole number of seconds";
    let is_whole: fn(&Value) -> bool = |value| value.is_i64() || value.is_u64();
    let details = |value: &Value| match value {
        Value::Null => Value::Null,
        details => {
            json!({ "public_key": details["public_key"], "executor_ip": details["executor_ip"] })
        }
    };
    json!({
        // The official code makes a text of whatever is there, also of nothing.
        "executor_class": take("executor_class", json!("None"), "a text", Value::is_string),
        "docker_image": take("docker_image", json!(""), "a text", Value::is_string),
        "args": take("args", json!([]), "a list of texts", is_texts),
        "env": take("env", json!({}), "an object of texts", is_env),
        "use_gpu": take("use_gpu", json!(false), "`true` or `false`", Value::is_boolean),
        "artifacts_dir": take("artifacts_dir", json!(""), "a text", Value::is_string),
        "on_trusted_miner": take("on_trusted_miner", json!(false), "`true` or `false`", Value::is_boolean),
        "download_time_limit": take("download_time_limit", json!(0), seconds, is_whole),
        "execution_time_limit": take("execution_time_limit", json!(0), seconds, is_whole),
        "upload_time_limit": take("upload_time_limit", json!(0), seconds, is_whole),
        "streaming_start_time_limit": take("streaming_start_time_limit", json!(0), seconds, is_whole),
        "streaming_details": details(&take("streaming_details", Value::Null, "an object", is_details)),
        "volumes": take("volumes", json!([]), "a list", Value::is_array),
        "uploads": take("uploads", json!([]), "a list", Value::is_array),
    })
}

fn is_texts(value: &Value) -> bool {
    value.as_array().is_some_and(|texts| texts.iter().all(Value::is_string))
}

fn is_env(value: &Value) -> bool {
    value.as_object().is_some_and(|pairs| pairs.values().all(Value::is_string))
}

fn is_details(value: &Value) -> bool {
    value.is_null() || value.is_object()
}

/// The text of the scope `FullRequest`: the whole body with sorted keys, as Python's `json.dumps` writes it.
///
/// ```
/// use chutes_compute_horde::full_request_text;
///
/// assert_eq!(full_request_text(r#"{"b":2.50,"a":"é"}"#)?, r#"{"a": "\u00e9", "b": 2.5}"#);
/// # Ok::<(), chutes_core::SpecErrors>(())
/// ```
pub fn full_request_text(body: &str) -> Result<String, SpecErrors> {
    let mut problems = Problems::default();
    let value = problems.check("$", serde_json::from_str::<Value>(body));
    let text = value.map(|value| {
        let mut text = String::with_capacity(body.len());
        python_value(&value, &mut text);
        text
    });
    problems.finish(text)
}

/// What is hashed after the time: the text of the scope, written as a JSON string in ASCII.
///
/// ```
/// use chutes_compute_horde::signature_payload;
///
/// assert_eq!(signature_payload(r#"{"a":"é"}"#), r#""{\"a\":\"\u00e9\"}""#);
/// ```
#[must_use]
pub fn signature_payload(text: &str) -> String {
    let mut payload = String::with_capacity(text.len() + text.len() / 4);
    python_text(text, &mut payload);
    payload
}

/// As Python writes it with `sort_keys=True`. The depth is limited by the reader of the value.
fn python_value(value: &Value, to: &mut String) {
    match value {
        Value::Null | Value::Bool(_) => to.push_str(&value.to_string()),
        Value::Number(number) => to.push_str(&python_number(number)),
        Value::String(text) => python_text(text, to),
        Value::Array(values) => {
            to.push('[');
            for (index, value) in values.iter().enumerate() {
                to.push_str(if index > 0 { ", " } else { "" });
                python_value(value, to);
            }
            to.push(']');
        }
        Value::Object(map) => {
            let mut members: Vec<_> = map.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            to.push('{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                to.push_str(if index > 0 { ", " } else { "" });
                python_text(key, to);
                to.push_str(": ");
                python_value(value, to);
            }
            to.push('}');
        }
    }
}

/// Python writes the shortest digits as well, but has its own rule for when to write an exponent.
fn python_number(number: &serde_json::Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else {
        return number.to_string();
    };
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..16).contains(&exponent) {
        let plain = float.to_string();
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

/// A JSON string in ASCII.
fn python_text(text: &str, to: &mut String) {
    to.push('"');
    for character in text.chars() {
        match character {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            '\u{8}' => to.push_str("\\b"),
            '\u{c}' => to.push_str("\\f"),
            ' '..='~' => to.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // A String takes every text.
                    let _ = write!(to, "\\u{unit:04x}");
                }
            }
        }
    }
    to.push('"');
}
