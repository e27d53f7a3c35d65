//! The JSON Schema of a spec: exactly the documented form.
//!
//! What a schema cannot say, such as that no file is in the way of another, is left to the reader.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::volumes::{INPUT_KEYS, OUTPUT_KEYS};
use crate::rule::MAX_READINESS_PATH;
use crate::spec::JobSpec;

impl JsonSchema for JobSpec {
    fn schema_name() -> Cow<'static, str> {
        "JobSpec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let Value::Object(map) = spec() else { return Schema::default() };
        map.into()
    }
}

pub(super) fn spec() -> Value {
    json!({
        "type": "object",
        "description": "Everything that is asked for in one run: an image, or a job of an app.",
        "properties": {
            "job": text("The name of the job. In place of `image`."),
            "data": { "description": "The data of the job. Default `{}`." },
            "image": { "type": "string", "maxLength": 255, "description": "The image." },
            "args": {
                "type": ["array", "null"], "items": { "type": "string" },
                "description": "The arguments after the entry point. Default those of the image.",
            },
            "network": flag("Whether the image may use the network. Default no."),
            "ports": ports(),
            "limits": limits(),
            "app": optional("The path of the binary that has the job."),
            "executor_class": executor_class(),
            "namespace": {
                "type": ["string", "null"], "minLength": 1, "maxLength": 100,
                "description": "Who the run is accounted to.",
            },
            "resources": resources(),
            "env": texts("The variables of its environment."),
            "artifacts_dir": optional(
                "Where the job puts small files (below 1,000,000 bytes) that are returned with the result.",
            ),
            "input_volumes": volumes("volume", "What is there before it begins.", &INPUT_KEYS),
            "output_volumes": volumes("output", "Where files go when it has ended.", &OUTPUT_KEYS),
            "publish": publish(),
            "ssh": ssh(),
            "streaming": streaming(),
        },
        "additionalProperties": false,
        "oneOf": [
            { "required": ["image"], "properties": { "job": null_schema(), "data": false, "app": null_schema() } },
            { "required": ["job"], "properties": { "image": null_schema(), "args": null_schema(), "network": null_schema(), "ports": null_schema() } },
        ],
    })
}

fn null_schema() -> Value {
    json!({ "type": "null" })
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn optional(description: &str) -> Value {
    json!({ "type": ["string", "null"], "description": description })
}

fn flag(description: &str) -> Value {
    json!({ "type": ["boolean", "null"], "description": description })
}

fn texts(description: &str) -> Value {
    json!({
        "type": ["object", "null"],
        "additionalProperties": { "type": "string" },
        "description": description,
    })
}

fn executor_class() -> Value {
    json!({
        "type": ["string", "null"], "pattern": "^[a-zA-Z0-9._-]+$", "maxLength": 255,
        "description": "The class of machine. Default whatever machine there is.",
    })
}

fn limits() -> Value {
    let limit = |what: &str| {
        json!({
            "type": ["number", "string"], "minimum": 0, "maximum": 2_592_000,
            "description": format!("{what} Seconds, or a text like `2h`."),
        })
    };
    let mut execute = limit("For the job itself. Default none.");
    execute["type"] = json!(["number", "string", "null"]);
    json!({
        "type": ["object", "null"],
        "description": "The limits of the run, one per phase.",
        "properties": {
            "start": limit("Until the job can start. Default 10 minutes."),
            "download": limit("For all input volumes. Default 1 hour."),
            "execute": execute,
            "upload": limit("For delivering the outputs. Default 24 hours."),
            "streaming_start": limit("Until a job that streams accepts connections. Default 5 seconds."),
            "grace": limit("Between telling the job to stop and stopping it by force. Default 30 seconds."),
        },
        "additionalProperties": false,
    })
}

fn resources() -> Value {
    let size = |what: &str| {
        json!({
            "type": ["integer", "string", "null"], "minimum": 1,
            "description": format!("{what} Bytes, or a text like `8GB`."),
        })
    };
    json!({
        "type": ["object", "null"],
        "description": "What it may use, where that differs from its class.",
        "properties": {
            "memory": size("The memory of all its processes."),
            "cpus": {
                "type": ["number", "null"], "exclusiveMinimum": 0, "description": "How many processors.",
            },
            "processes": {
                "type": ["integer", "null"], "minimum": 1, "description": "How many processes and threads.",
            },
            "shared_memory": size("The size of `/dev/shm`."),
            "gpu": flag("Whether it needs the GPUs of the machine."),
        },
        "additionalProperties": false,
    })
}

fn streaming() -> Value {
    json!({
        "description": "Whether it serves requests while it runs. Default no.",
        "type": ["boolean", "object", "null"],
        "properties": {
            "client_certificate": optional("The certificate (PEM) that clients must show."),
            "port": optional(
                "The port that serves. Default the only HTTP port of a job, or port 8000 of an image.",
            ),
        },
        "additionalProperties": false,
    })
}

fn ports() -> Value {
    json!({
        "type": ["array", "null"], "items": port(),
        "description": "The ports on which the image listens. Default none.",
    })
}

fn publish() -> Value {
    json!({
        "type": ["array", "null"],
        "items": { "type": "string", "pattern": "^([a-z]+[0-9]*|[0-9]+):[0-9]+$" },
        "description": "Ports that are opened under another number, like `8080:18080` or `web:0`.",
    })
}

fn port() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string", "pattern": "^[a-z]+[0-9]*$" },
            "port": { "type": "integer", "minimum": 1, "maximum": 65_535 },
            "proto": { "enum": ["http", "tcp", "udp"] },
            "ready": {
                "type": ["string", "null"], "pattern": "^/[!-\"$-~]*$", "maxLength": MAX_READINESS_PATH,
                "description": "The path that answers 200 once the port serves. For HTTP only.",
            },
        },
        "required": ["name", "port", "proto"],
        "additionalProperties": false,
    })
}

fn ssh() -> Value {
    json!({
        "description": "Whether people may log in by SSH while it runs. Default no.",
        "type": ["boolean", "object", "null"],
        "properties": {
            "public_keys": {
                "type": ["array", "null"], "items": { "type": "string" },
                "description": "Who may log in: lines of an `authorized_keys` file without options.",
            },
            "keep_alive": flag(
                "Whether the run goes on, within its limit, while somebody is logged in. Default no.",
            ),
        },
        "additionalProperties": false,
    })
}

/// Volumes by place: one or several.
fn volumes(directory: &str, description: &str, kinds: &[(&str, &[&str])]) -> Value {
    let kinds: Vec<Value> = kinds.iter().map(|(kind, keys)| volume(kind, keys)).collect();
    let one = json!({ "oneOf": kinds });
    json!({
        "type": ["object", "null"],
        "description": description,
        "propertyNames": { "pattern": format!("^/{directory}(/.*)?$") },
        "additionalProperties": { "anyOf": [one, { "type": "array", "items": one }] },
    })
}

fn volume(kind: &str, keys: &[&str]) -> Value {
    let field = |key: &str| match key {
        "type" => json!({ "const": kind }),
        "contents" => text("A zip file in base64."),
        "url" => json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" }),
        "sha256" => json!({ "type": ["string", "null"], "pattern": "^[0-9a-fA-F]{64}$" }),
        "repo_id" => text("For instance `openai/whisper-tiny`."),
        "repo_type" => json!({ "enum": ["model", "dataset", "space", null] }),
        "revision" => optional("A branch, tag or commit. Default `main`."),
        "allow_patterns" => json!({
            "type": ["string", "array", "null"], "items": { "type": "string" },
            "description": "Which files, by patterns like `*.json`. Default all.",
        }),
        "token" => optional("What lets us read it. Default that of the environment."),
        "form_fields" => texts("The fields in front of the file, in order."),
        _ => texts("The headers that are sent with it."),
    };
    let needed = |key: &&&str| matches!(**key, "type" | "contents" | "url" | "repo_id");
    let fields = keys.iter().map(|key| ((*key).to_owned(), field(key)));
    json!({
        "type": "object",
        "properties": fields.collect::<serde_json::Map<_, _>>(),
        "required": keys.iter().filter(needed).collect::<Vec<_>>(),
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::access::{PORT_KEYS, SSH_KEYS, STREAMING_KEYS};
    use super::super::fields::{LIMIT_KEYS, RESOURCE_KEYS};
    use super::super::read::KEYS;
    use super::*;

    fn check(at: &str, keys: &[&str]) {
        let spec = spec();
        let object = spec.pointer(at).unwrap();
        assert_eq!(object["additionalProperties"], false, "{at}");
        let found: Vec<&str> =
            object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found, keys, "{at}");
    }

    #[test]
    fn its_keys_are_those_that_are_read() {
        check("", &KEYS);
        check("/properties/limits", &LIMIT_KEYS);
        check("/properties/resources", &RESOURCE_KEYS);
        check("/properties/ports/items", &PORT_KEYS);
        check("/properties/ssh", &SSH_KEYS);
        check("/properties/streaming", &STREAMING_KEYS);
        for (key, kinds) in [("input_volumes", &INPUT_KEYS), ("output_volumes", &OUTPUT_KEYS)] {
            for (index, (kind, keys)) in kinds.iter().enumerate() {
                let one = format!("/properties/{key}/additionalProperties/anyOf/0/oneOf/{index}");
                check(&one, keys);
                let of_type = format!("{one}/properties/type/const");
                assert_eq!(spec().pointer(&of_type), Some(&json!(kind)));
            }
        }
    }
}
