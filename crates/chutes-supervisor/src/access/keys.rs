//! The public keys of the run, with which clients may log in by SSH.

use std::collections::HashMap;

use chutes_core::{Failure, FailureKind, JobSpec, Json, Phase, Work, rule};
use serde_json::Value;
use serde_json::value::RawValue;

use super::invalid;
use super::ssh::{self, Keys};
use crate::Supervisor;

/// The field of the data that holds a public key, by the convention of the Chutes platform.
const DATA_KEY: &str = "_ssh_public_key";

/// Replaces a value that is not written to disk.
const HIDDEN: &str = "…";

/// Why a key opens nothing in a program that has SSH.
const NOT_OFFERED: &str =
    "a public key was given, but the job does not offer SSH: add `ssh = true` to its attribute";

/// Whether the run offers SSH.
pub(super) fn is_ssh_wanted(run: &Supervisor) -> bool {
    match &run.contract {
        Some(contract) => contract.ports.ssh(),
        None => run.request.spec.ssh.is_some(),
    }
}

/// The public keys of the run, if it has any.
pub(super) fn wanted(run: &Supervisor, is_isolated: bool) -> Result<Option<Keys>, Failure> {
    let in_spec = run.request.spec.ssh.iter().flat_map(|ssh| ssh.public_keys.iter().cloned());
    let mut texts: Vec<String> = in_spec.collect();
    if !is_ssh_wanted(run) {
        if texts.is_empty() {
            return Ok(None);
        }
        // To offer SSH would not help in a program without it.
        return Err(invalid(ssh::ssh_missing().unwrap_or_else(|| NOT_OFFERED.to_owned())));
    }
    texts.extend(keys_in_data(run)?);
    if texts.is_empty() {
        return Ok(None);
    }
    if !is_isolated {
        return Err(invalid("SSH needs a worker process: start the run with `chutes::main()`"));
    }
    ssh::read_keys(&texts)
}

/// The value of [`DATA_KEY`] in the data. The other fields are not parsed, because they may be large. Data that is
/// no object is refused later, when it is decoded.
fn key_in(data: &Json) -> Option<Value> {
    let fields: HashMap<String, Box<RawValue>> = data.to().ok()?;
    serde_json::from_str(fields.get(DATA_KEY)?.get()).ok()
}

/// The keys in the data of the job: a text, or a list of texts.
fn keys_in_data(run: &Supervisor) -> Result<Vec<String>, Failure> {
    let Work::Job { data, .. } = &run.request.spec.work else { return Ok(Vec::new()) };
    let wrong = || {
        let message =
            format!("`{DATA_KEY}` of the data is a text with public keys, or a list of such");
        Failure::new(FailureKind::InvalidData, message).in_phase(Phase::Start)
    };
    match key_in(data) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(texts)) => {
            let text = |text: Value| text.as_str().map(str::to_owned).ok_or_else(wrong);
            texts.into_iter().map(text).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// The spec as it is written to disk. A run with a private key in place of a public one is refused, and the key is
/// not kept.
pub(crate) fn without_private_key(mut spec: JobSpec) -> JobSpec {
    if let Work::Job { data, .. } = &mut spec.work
        && key_in(data).is_some_and(|key| rule::has_private_key(&key.to_string()))
        && let Ok(Value::Object(mut fields)) = data.to::<Value>()
    {
        fields.insert(DATA_KEY.to_owned(), HIDDEN.into());
        // The text of a `Value` is valid JSON, so the fallback is never used.
        *data = Json::parse(&Value::Object(fields).to_string()).unwrap_or_else(|_| Json::null());
    }
    spec
}

#[cfg(test)]
mod tests {
    use chutes_core::JobName;

    use super::*;

    #[test]
    fn private_keys_are_not_written_down() {
        let check = |data: &str, expected: &str| {
            let data = Json::parse(data).unwrap();
            let spec = JobSpec::job(JobName::new("train").unwrap(), data);
            let Work::Job { data, .. } = without_private_key(spec).work else { panic!() };
            assert_eq!(data, Json::parse(expected).unwrap());
        };
        for kept in [
            "1.10",
            r#"{"_ssh_public_key": "ssh-ed25519 AAAA", "rate": 1.10}"#,
            r#"{"key": "-----BEGIN OPENSSH PRIVATE KEY-----"}"#,
        ] {
            check(kept, kept);
        }
        for given in [r#""-----BEGIN PRIVATE KEY-----\nx""#, r#"["a", "BEGIN RSA PRIVATE KEY x"]"#]
        {
            check(
                &format!(r#"{{"a": 1, "_ssh_public_key": {given}}}"#),
                r#"{"a":1,"_ssh_public_key":"…"}"#,
            );
        }
    }
}
