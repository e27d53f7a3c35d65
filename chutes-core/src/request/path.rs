//! Paths in JSON: a text, or an object with the bytes in percent-encoding.

use std::path::{Path, PathBuf};

use schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde::ser::Serializer;
use serde_json::Value;

use crate::reader::{Located, Problems};

/// All keys of a path that is an object.
const KEYS: [&str; 2] = ["path", "path_encoding"];

/// A path that is not UTF-8: bytes that are no part of a text, and `%`, as `%` and two hexadecimal digits.
#[derive(Serialize)]
struct Encoded {
    path: String,
    path_encoding: &'static str,
}

pub(super) fn write<S: Serializer>(path: impl AsRef<Path>, to: S) -> Result<S::Ok, S::Error> {
    let path = path.as_ref();
    match path.to_str() {
        Some(text) => to.serialize_str(text),
        None => Encoded {
            path: percent_encode(path.as_os_str().as_encoded_bytes()),
            path_encoding: "percent",
        }
        .serialize(to),
    }
}

#[expect(clippy::ref_option, reason = "serde passes a field like that")]
pub(super) fn write_optional<S: Serializer>(
    path: &Option<PathBuf>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match path {
        Some(path) => write(path, to),
        None => to.serialize_none(),
    }
}

/// A path in either form. Its bounds are checked with those of all others.
pub(super) fn read(at: Located, problems: &mut Problems) -> Option<PathBuf> {
    match at.value {
        Value::String(text) => Some(text.into()),
        Value::Object(_) => {
            let mut fields = at.object(&KEYS, problems)?;
            let is_encoded = fields.has("path_encoding");
            if is_encoded {
                fields.one_of("path_encoding", &[("percent", ())], problems)?;
            }
            let at = fields.required("path", "the path as a text", problems)?;
            if !is_encoded {
                return at.text(problems).map(PathBuf::from);
            }
            at.parsed(problems, |text| path_of(percent_decode(text)?))
        }
        _ => at.wrong("a path: a text, or an object with `path`", problems),
    }
}

fn percent_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value & 15)]);
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            text.extend(['%', digit(byte >> 4), digit(*byte)]);
        }
    }
    text
}

fn percent_decode(text: &str) -> Result<Vec<u8>, &'static str> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("a `%` is followed by two hexadecimal digits")?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    Ok(bytes)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "other systems have paths that are text")]
fn path_of(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    Ok(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Result<PathBuf, &'static str> {
    String::from_utf8(bytes).map(PathBuf::from).map_err(|_| "a path on this system is text")
}

pub(super) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "object"],
        "properties": {
            "path": { "type": "string" },
            "path_encoding": { "enum": ["percent", null] },
        },
        "required": ["path"],
        "additionalProperties": false,
    })
}

pub(super) fn optional_schema(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = schema(generator);
    schema.insert("type".to_owned(), serde_json::json!(["string", "object", "null"]));
    schema
}
