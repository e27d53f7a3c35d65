//! Limits and resources in JSON.

use std::time::Duration;

use serde_json::Value;

use crate::reader::{Fields, Located, Problems};
use crate::spec::Resources;
use crate::{Limits, parse_duration, parse_size};

/// All keys of `limits`.
pub(in crate::spec) const LIMIT_KEYS: [&str; 6] =
    ["start", "download", "execute", "upload", "streaming_start", "grace"];

/// All keys of `resources`.
pub(in crate::spec) const RESOURCE_KEYS: [&str; 5] =
    ["memory", "cpus", "processes", "shared_memory", "gpu"];

/// Sets the limits that are given.
pub(super) fn limits(value: Located, limits: &mut Limits, problems: &mut Problems) {
    let Some(mut fields) = value.object(&LIMIT_KEYS, problems) else { return };
    for (key, limit) in [
        ("start", &mut limits.start),
        ("download", &mut limits.download),
        ("upload", &mut limits.upload),
        ("streaming_start", &mut limits.streaming_start),
        ("grace", &mut limits.grace),
    ] {
        if let Some(value) = fields.take_any(key) {
            if value.value.is_null() {
                problems.add(value.path, "only `execute` can be without limit (`null`)");
            } else if let Some(given) = duration(&value, problems) {
                *limit = given;
            }
        }
    }
    if let Some(value) = fields.take("execute") {
        limits.execute = duration(&value, problems);
    }
}

/// A number of seconds, or a text like `2h`.
fn duration(at: &Located, problems: &mut Problems) -> Option<Duration> {
    match &at.value {
        Value::Number(number) => {
            let seconds = match number.as_u64() {
                Some(whole) => Some(Duration::from_secs(whole)),
                None => number.as_f64().and_then(|part| Duration::try_from_secs_f64(part).ok()),
            };
            if seconds.is_none() {
                problems.add(&at.path, "a number of seconds is not negative");
            }
            seconds
        }
        Value::String(text) => {
            problems.check(&at.path, parse_duration(text)).map(Duration::from_secs)
        }
        _ => at.wrong("a number of seconds or a text like `2h`", problems),
    }
}

pub(super) fn resources(value: Located, problems: &mut Problems) -> Option<Resources> {
    let mut fields = value.object(&RESOURCE_KEYS, problems)?;
    Some(Resources {
        memory_bytes: size("memory", &mut fields, problems),
        cpu_millis: fields.take("cpus").and_then(|cpus| cpu_millis(&cpus, problems)),
        processes: fields.take("processes").and_then(|count| processes(count, problems)),
        shared_memory_bytes: size("shared_memory", &mut fields, problems),
        gpu: fields.take("gpu").and_then(|gpu| gpu.boolean(problems)),
    })
}

/// A number of bytes, or a text like `8GB`.
fn size(key: &str, fields: &mut Fields, problems: &mut Problems) -> Option<u64> {
    let at = fields.take(key)?;
    match &at.value {
        Value::Number(number) if number.is_u64() => number.as_u64(),
        Value::String(text) => problems.check(&at.path, parse_size(text)),
        _ => at.wrong("a whole number of bytes or a text like `8GB`", problems),
    }
}

/// A number of processors in thousandths.
fn cpu_millis(at: &Located, problems: &mut Problems) -> Option<u32> {
    let Some(cpus) = at.value.as_f64() else {
        return at.wrong("a number of processors like `1.5`", problems);
    };
    let millis = (cpus * 1_000.0).round();
    if (0.0..=f64::from(u32::MAX)).contains(&millis) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is a whole number within the range"
        )]
        return Some(millis as u32);
    }
    problems.add(&at.path, "a number of processors is not negative and at most 4294967");
    None
}

fn processes(at: Located, problems: &mut Problems) -> Option<u32> {
    let path = at.path.clone();
    let count = at.count(problems)?;
    if let Ok(count) = u32::try_from(count) {
        return Some(count);
    }
    problems.add(path, "a number of processes is at most 4294967295");
    None
}
