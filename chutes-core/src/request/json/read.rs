//! From JSON to a run request.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::members::Members;
use crate::reader::{Fields, Located, Problems, check_duplicates, member};
use crate::request::{
    AccessRequest, Attempt, CacheRequest, EngineRequest, LabelName, PullPolicy, RunRequest,
    RunRequestError, check, path,
};
use crate::{JobName, JobSpec, Json, RunId, SinkSpec, SpecErrors, SpecProblem};

/// All keys of a run request.
pub(in crate::request) const KEYS: [&str; 15] = [
    "version",
    "run_id",
    "attempt",
    "directory",
    "spec",
    "sinks",
    "live",
    "access",
    "cache",
    "allowed_addresses",
    "engine",
    "log_limit",
    "labels",
    "trace_parent",
    "requested_by",
];

/// All keys of `access`.
pub(in crate::request) const ACCESS_KEYS: [&str; 3] = ["host", "public_host", "streaming_port"];

/// All keys of `cache`.
pub(in crate::request) const CACHE_KEYS: [&str; 3] = ["dir", "size", "enabled"];

/// All keys of `engine`.
pub(in crate::request) const ENGINE_KEYS: [&str; 2] = ["host", "pull"];

/// The names of [`PullPolicy`].
const PULL_POLICIES: [(&str, PullPolicy); 3] = [
    (PullPolicy::Missing.as_str(), PullPolicy::Missing),
    (PullPolicy::Always.as_str(), PullPolicy::Always),
    (PullPolicy::Never.as_str(), PullPolicy::Never),
];

/// The longest text that stands for a value and is repeated in messages, in bytes.
const MAX_VALUE_BYTES: usize = 256;

pub(super) fn request(text: &str) -> Result<RunRequest, RunRequestError> {
    let members = object(text)?;
    check_version(&members)?;
    let mut problems = Problems::default();
    // The spec has its own check.
    check_duplicates(text, Some("spec"), &mut problems);
    let (mut fields, spec) = top(members, &mut problems);
    fields.check_keys(&KEYS, &mut problems);
    let spec = spec.map(RawValue::get).and_then(|text| read_spec(text, &mut problems));
    let request = rest(&mut fields, spec, &mut problems);
    check::request(&request, &mut problems);
    Ok(problems.finish(Some(request))?)
}

fn problem(path: &str, message: impl Into<String>) -> SpecErrors {
    let problem = SpecProblem { path: path.to_owned(), message: message.into() };
    SpecErrors { problems: vec![problem] }
}

/// The members of the object that a text is. Messages about a text that is none would repeat it.
fn object(text: &str) -> Result<Members<&RawValue>, SpecErrors> {
    if serde_json::from_str::<&RawValue>(text).is_ok_and(|raw| !raw.get().starts_with('{')) {
        return Err(problem("$", "a run request is an object: `{…}`"));
    }
    serde_json::from_str(text).map_err(|error| problem("$", format!("not JSON: {error}")))
}

/// Nothing else in a request of another version has a meaning that is known here.
fn check_version(members: &Members<&RawValue>) -> Result<(), RunRequestError> {
    let versions = members.0.iter().filter(|(key, _)| key == "version");
    let versions: Vec<Option<u64>> = versions.map(|(_, raw)| raw.get().parse().ok()).collect();
    let known = RunRequest::VERSION;
    if let Some(version) = versions.iter().flatten().copied().max().filter(|it| *it > known) {
        return Err(RunRequestError::NewerVersion { version });
    }
    let message = match versions[..] {
        [Some(version)] if version == known => return Ok(()),
        [Some(version)] => {
            format!("there is no version {version}; this program reads version {known}")
        }
        [None] => {
            format!("expected the version as a whole number; this program reads version {known}")
        }
        [] => format!("missing: the version of the request; this program reads version {known}"),
        _ => "the key stands twice".to_owned(),
    };
    Err(problem("$.version", message).into())
}

/// The values of a request, and its spec as text: numbers and order in it must stay as they were written.
fn top<'a>(
    members: Members<&'a RawValue>,
    problems: &mut Problems,
) -> (Fields, Option<&'a RawValue>) {
    let mut spec = None;
    let mut values = Map::new();
    for (key, raw) in members.0 {
        if key == "spec" {
            spec = Some(raw).filter(|raw| raw.get() != "null");
        } else if KEYS.contains(&key.as_str()) {
            let value = problems.check(&member("$", &key), serde_json::from_str(raw.get()));
            // A value that cannot be read has its problem already.
            values.insert(key, value.unwrap_or_default());
        } else {
            values.insert(key, Value::Null);
        }
    }
    if spec.is_none() {
        problems.add("$.spec", "missing: what to run");
    }
    (Fields::new("$", values), spec)
}

fn read_spec(text: &str, problems: &mut Problems) -> Option<JobSpec> {
    let errors = match JobSpec::from_json(text) {
        Ok(spec) => return Some(spec),
        Err(errors) => errors,
    };
    for problem in errors.problems {
        let below = problem.path.strip_prefix('$').unwrap_or(&problem.path);
        problems.add(format!("$.spec{below}"), problem.message);
    }
    None
}

/// All fields but the spec. What is missing or wrong has a problem, and something in its place, so that the
/// bounds of all others are checked, too.
fn rest(fields: &mut Fields, spec: Option<JobSpec>, problems: &mut Problems) -> RunRequest {
    let run_id = fields.required("run_id", "the id of the run, a UUID", problems);
    let run_id = run_id.and_then(|at| short(at, problems, str::parse));
    let directory = fields.required("directory", "the directory of the attempt", problems);
    let directory = directory.and_then(|at| path::read(at, problems));
    let request = RunRequest::new(
        run_id.unwrap_or_else(|| RunId::from_bytes([0; 16])),
        spec.unwrap_or_else(|| JobSpec::job(JobName::from_static("x"), Json::null())),
        directory.unwrap_or_else(|| PathBuf::from(".")),
    );
    RunRequest {
        attempt: fields.take("attempt").and_then(|at| attempt(at, problems)).unwrap_or_default(),
        sinks: list("sinks", fields, problems, sink),
        live: fields.take("live").and_then(|at| at.boolean(problems)).unwrap_or_default(),
        access: fields.take("access").and_then(|at| access(at, problems)).unwrap_or_default(),
        cache: fields.take("cache").and_then(|at| cache(at, problems)).unwrap_or_default(),
        allowed_addresses: list("allowed_addresses", fields, problems, |at, problems| {
            short(at, problems, str::parse)
        }),
        engine: fields.take("engine").and_then(|at| engine(at, problems)).unwrap_or_default(),
        log_limit: fields.take("log_limit").and_then(|at| at.count(problems)),
        labels: fields.take("labels").and_then(|at| labels(at, problems)).unwrap_or_default(),
        trace_parent: fields.take("trace_parent").and_then(|at| short(at, problems, str::parse)),
        requested_by: fields.text("requested_by", problems),
        ..request
    }
}

/// A text, parsed. A long one is refused, because messages may repeat it.
fn short<T, E: fmt::Display>(
    at: Located,
    problems: &mut Problems,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    if at.value.as_str().is_some_and(|text| text.len() > MAX_VALUE_BYTES) {
        problems.add(at.path, format!("expected a text of at most {MAX_VALUE_BYTES} bytes"));
        return None;
    }
    at.parsed(problems, parse)
}

/// The elements of a list that can be read.
fn list<T>(
    key: &str,
    fields: &mut Fields,
    problems: &mut Problems,
    read: impl Fn(Located, &mut Problems) -> Option<T>,
) -> Vec<T> {
    let elements = fields.take(key).and_then(|at| at.list(problems)).unwrap_or_default();
    elements.into_iter().filter_map(|at| read(at, problems)).collect()
}

fn attempt(at: Located, problems: &mut Problems) -> Option<Attempt> {
    let path = at.path.clone();
    let number = at.count(problems)?;
    let Ok(number) = u32::try_from(number) else {
        problems.add(path, format!("the number of an attempt is at most {}", u32::MAX));
        return None;
    };
    problems.check(&path, Attempt::new(number))
}

fn sink(at: Located, problems: &mut Problems) -> Option<SinkSpec> {
    problems.check(&at.path, serde_json::from_value(at.value))
}

fn access(at: Located, problems: &mut Problems) -> Option<AccessRequest> {
    let mut fields = at.object(&ACCESS_KEYS, problems)?;
    let default = AccessRequest::default();
    let host = fields.take("host").and_then(|at| short(at, problems, str::parse));
    let port = fields.take("streaming_port").and_then(|at| {
        let path = at.path.clone();
        let number = at.count(problems)?;
        let port = u16::try_from(number).map_err(|_| "the number of a port is at most 65535");
        problems.check(&path, port)
    });
    Some(AccessRequest {
        host: host.unwrap_or(default.host),
        public_host: fields.text("public_host", problems),
        streaming_port: port.unwrap_or(default.streaming_port),
    })
}

fn cache(at: Located, problems: &mut Problems) -> Option<CacheRequest> {
    let mut fields = at.object(&CACHE_KEYS, problems)?;
    Some(CacheRequest {
        dir: fields.take("dir").and_then(|at| path::read(at, problems)),
        size: fields.take("size").and_then(|at| at.count(problems)),
        enabled: fields.take("enabled").and_then(|at| at.boolean(problems)).unwrap_or(true),
    })
}

fn engine(at: Located, problems: &mut Problems) -> Option<EngineRequest> {
    let mut fields = at.object(&ENGINE_KEYS, problems)?;
    let has_pull = fields.has("pull");
    let pull = if has_pull { fields.one_of("pull", &PULL_POLICIES, problems) } else { None };
    Some(EngineRequest { host: fields.text("host", problems), pull: pull.unwrap_or_default() })
}

fn labels(at: Located, problems: &mut Problems) -> Option<BTreeMap<LabelName, String>> {
    let members = at.members(problems)?;
    if !check::label_count(members.len(), problems) {
        return None;
    }
    let mut labels = BTreeMap::new();
    for (name, value) in members {
        let name = problems.check(&value.path, LabelName::new(name));
        labels.extend(name.zip(value.text(problems)));
    }
    Some(labels)
}
