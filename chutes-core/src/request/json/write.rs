//! From a run request to JSON and to its schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::json;

use crate::reader::Problems;
use crate::request::{
    AccessRequest, AddressRange, Attempt, CacheRequest, EngineRequest, LabelName, RunRequest,
    TraceParent, path,
};
use crate::{JobSpec, RunId, SinkSpec, SpecErrors};

/// Everything that the starter of an attempt hands over to its supervisor. It has secrets.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = require_few)]
struct Written<'a> {
    /// The version of this form.
    #[schemars(range(min = RunRequest::VERSION, max = RunRequest::VERSION))]
    version: u64,
    /// The id of the run.
    run_id: RunId,
    /// Which attempt at the run this is, from 1. Default 1.
    attempt: Attempt,
    /// The directory of the attempt.
    #[serde(serialize_with = "path::write")]
    #[schemars(schema_with = "path::schema")]
    directory: &'a Path,
    /// What to run.
    spec: &'a JobSpec,
    /// Where files are delivered to besides the output volumes of the spec. Default none.
    #[schemars(schema_with = "sinks")]
    sinks: &'a [SinkSpec],
    /// Whether finished output files are delivered while the job goes on. Default no.
    live: bool,
    /// How the run is reached, apart from what the spec says.
    access: &'a AccessRequest,
    /// Where fetched files are kept for later runs.
    cache: &'a CacheRequest,
    /// Addresses that the spec may name although machines keep them to themselves. Default none.
    allowed_addresses: &'a [AddressRange],
    /// The container engine of an image.
    engine: &'a EngineRequest,
    /// How much is kept of each stream that the job prints to, in bytes. Default 256 MiB.
    #[schemars(range(min = RunRequest::MIN_LOG_LIMIT))]
    log_limit: Option<u64>,
    /// Names and texts by which the starter finds the run again: at most 64, each text at most 256 bytes.
    #[schemars(extend("maxProperties" = RunRequest::MAX_LABELS))]
    labels: &'a BTreeMap<LabelName, String>,
    /// The span to which the spans of the attempt belong. Default none.
    trace_parent: Option<TraceParent>,
    /// The user, key or program that asked for the run: at most 256 bytes. Default unknown.
    #[schemars(length(min = 1, max = RunRequest::MAX_REQUESTED_BY_BYTES))]
    requested_by: Option<&'a str>,
}

pub(super) fn request(request: &RunRequest) -> Result<String, SpecErrors> {
    let written = Written {
        version: RunRequest::VERSION,
        run_id: request.run_id,
        attempt: request.attempt,
        directory: &request.directory,
        spec: &request.spec,
        sinks: &request.sinks,
        live: request.live,
        access: &request.access,
        cache: &request.cache,
        allowed_addresses: &request.allowed_addresses,
        engine: &request.engine,
        log_limit: request.log_limit,
        labels: &request.labels,
        trace_parent: request.trace_parent,
        requested_by: request.requested_by.as_deref(),
    };
    let mut problems = Problems::default();
    let text = problems.check("$", serde_json::to_string(&written));
    problems.finish(text)
}

/// What is written has every field; what is read needs few.
fn require_few(schema: &mut Schema) {
    schema.insert("required".to_owned(), json!(["version", "run_id", "directory", "spec"]));
}

/// The JSON forms of [`SinkSpec`].
fn sinks(_: &mut SchemaGenerator) -> Schema {
    let texts = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    json_schema!({
        "type": "array",
        "items": {
            "type": ["string", "object"],
            "properties": {
                "url": { "type": "string" },
                "file": { "type": ["string", "object"] },
                "method": { "enum": ["PUT", "POST"] },
                "fields": texts,
                "headers": texts,
                "status_url": { "type": "string" },
                "files": { "type": "array", "items": { "type": "object" } },
                "system_output": { "type": "object" },
                "except": { "type": "array", "items": { "type": "string" } },
            },
            "additionalProperties": false,
        },
    })
}

impl JsonSchema for RunRequest {
    fn schema_name() -> Cow<'static, str> {
        "RunRequest".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Written::json_schema(generator)
    }
}
