//! Volumes in JSON.

use serde_json::Value;

use crate::reader::{Fields, Located, Problems, member};
use crate::sink::{field_problem, header_problem};
use crate::spec::builder::Output;
use crate::spec::place::{self, OUTPUT, VOLUME};
use crate::spec::{HubRepository, InputVolume, MountedVolume, RepoType, SecretText};
use crate::{Sha256Digest, Upload};

/// All keys of each kind of input, after its `type`.
pub(in crate::spec) const INPUT_KEYS: [(&str, &[&str]); 4] = [
    ("inline", &["type", "contents"]),
    ("http", &["type", "url", "sha256"]),
    ("zip_url", &["type", "url", "sha256"]),
    ("huggingface", &["type", "repo_id", "repo_type", "revision", "allow_patterns", "token"]),
];

/// All keys of each kind of output, after its `type`.
pub(in crate::spec) const OUTPUT_KEYS: [(&str, &[&str]); 4] = [
    ("http_put", &["type", "url", "signed_headers"]),
    ("http_post", &["type", "url", "form_fields", "signed_headers"]),
    ("zip_put", &["type", "url", "signed_headers"]),
    ("zip_post", &["type", "url", "form_fields", "signed_headers"]),
];

/// The names of [`RepoType`].
const REPO_TYPES: [(&str, RepoType); 3] = [
    (RepoType::Model.as_str(), RepoType::Model),
    (RepoType::Dataset.as_str(), RepoType::Dataset),
    (RepoType::Space.as_str(), RepoType::Space),
];

pub(super) fn inputs(value: Located, problems: &mut Problems) -> Vec<(String, MountedVolume)> {
    let mut inputs = Vec::new();
    for (place, at) in in_places(value, problems) {
        let path = problems.check(&at.path, place::below(VOLUME, &place));
        let where_it_is = at.path.clone();
        if let (Some(volume), Some(path)) = (input(at, problems), path) {
            inputs.push((where_it_is, MountedVolume { path, volume }));
        }
    }
    inputs
}

pub(super) fn outputs(value: Located, problems: &mut Problems) -> Vec<(String, Output)> {
    let mut outputs = Vec::new();
    for (place, at) in in_places(value, problems) {
        let path = problems.check(&at.path, place::below(OUTPUT, &place));
        let where_it_is = at.path.clone();
        let Some((is_zip, to)) = output(at, problems) else { continue };
        match (path, is_zip) {
            (Some(None), true) => outputs.push((where_it_is, Output::Zip(to))),
            (Some(Some(file)), false) => outputs.push((where_it_is, Output::File(file, to))),
            (Some(None), false) => {
                problems.add(where_it_is, "only a zip file takes all of `/output`");
            }
            (Some(Some(_)), true) => {
                problems.add(where_it_is, "a zip file takes all of `/output/`, not a part of it");
            }
            (None, _) => {}
        }
    }
    outputs
}

/// Each path with its value. A list has several values at one path.
fn in_places(value: Located, problems: &mut Problems) -> Vec<(String, Located)> {
    let mut all = Vec::new();
    for (place, at) in value.members(problems).unwrap_or_default() {
        if matches!(at.value, Value::Array(_)) {
            let several = at.list(problems).unwrap_or_default();
            all.extend(several.into_iter().map(|at| (place.clone(), at)));
        } else {
            all.push((place, at));
        }
    }
    all
}

/// The fields of a volume whose `type` is one of these.
fn of_kind(
    at: Located,
    kinds: &[(&'static str, &'static [&'static str])],
    problems: &mut Problems,
) -> Option<(&'static str, Fields)> {
    let Value::Object(map) = at.value else { return at.wrong("an object with `type`", problems) };
    let mut fields = Fields::new(&at.path, map);
    let by_name: Vec<_> = kinds.iter().map(|kind| (kind.0, *kind)).collect();
    let (kind, keys) = fields.one_of("type", &by_name, problems)?;
    fields.check_keys(keys, problems);
    Some((kind, fields))
}

fn input(at: Located, problems: &mut Problems) -> Option<InputVolume> {
    let (kind, mut fields) = of_kind(at, &INPUT_KEYS, problems)?;
    match kind {
        "inline" => {
            let contents = fields.required("contents", "a zip file in base64", problems)?;
            Some(InputVolume::inline(contents.text(problems)?))
        }
        "huggingface" => Some(InputVolume::HuggingFace(fields.hub_repository(problems)?)),
        _ => {
            let sha256 = sha256(&mut fields, problems);
            let url = fields.url("url", problems)?;
            Some(if kind == "http" {
                InputVolume::File { url, sha256 }
            } else {
                InputVolume::Zip { url, sha256 }
            })
        }
    }
}

fn sha256(fields: &mut Fields, problems: &mut Problems) -> Option<Sha256Digest> {
    fields.take("sha256")?.parsed(problems, str::parse)
}

/// Whether it is a zip, and where to.
fn output(at: Located, problems: &mut Problems) -> Option<(bool, Upload)> {
    let (kind, mut fields) = of_kind(at, &OUTPUT_KEYS, problems)?;
    let is_post = matches!(kind, "http_post" | "zip_post");
    let to = fields.upload(is_post, problems)?;
    Some((matches!(kind, "zip_put" | "zip_post"), to))
}

/// Parts that several forms of a spec have under the same names.
impl Fields {
    /// The repository that the fields describe.
    pub fn hub_repository(&mut self, problems: &mut Problems) -> Option<HubRepository> {
        let repo_type = if self.has("repo_type") {
            self.one_of("repo_type", &REPO_TYPES, problems)
        } else {
            None
        };
        let revision = self.text("revision", problems);
        let allow_patterns = self.take("allow_patterns").and_then(|at| match at.value {
            Value::String(pattern) => Some(vec![pattern]),
            Value::Array(_) => at.texts(problems),
            _ => at.wrong("a pattern or a list of patterns", problems),
        });
        let token = self.text("token", problems).map(SecretText::new);
        let repo_id = self.required("repo_id", "for instance `openai/whisper-tiny`", problems)?;
        Some(HubRepository {
            repo_id: repo_id.text(problems)?,
            repo_type: repo_type.unwrap_or_default(),
            revision,
            allow_patterns: allow_patterns.unwrap_or_default(),
            token,
        })
    }

    /// The upload that the fields describe.
    pub fn upload(&mut self, is_post: bool, problems: &mut Problems) -> Option<Upload> {
        let mut pairs = |key: &str, problems: &mut Problems| {
            self.take(key).and_then(|at| at.pairs(problems)).unwrap_or_default()
        };
        let headers = pairs("signed_headers", problems);
        let form = if is_post { pairs("form_fields", problems) } else { Vec::new() };
        let at = |key: &str, name: &str| member(&member(&self.path, key), name);
        for (name, value) in &headers {
            if let Some(problem) = header_problem(name, value, is_post) {
                problems.add(at("signed_headers", name), problem);
            }
        }
        for (name, _) in &form {
            if let Some(problem) = field_problem(name) {
                problems.add(at("form_fields", name), problem);
            }
        }
        let url = self.url("url", problems)?;
        // Each problem has been noted at its place.
        if is_post { Upload::post(url, form, headers) } else { Upload::put(url, headers) }.ok()
    }
}
