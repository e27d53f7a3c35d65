//! Volumes in the JSON form of a spec.

use std::borrow::Cow;
use std::collections::HashMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::filled;
use super::parts::{Pairs, read_as};
use crate::spec::{HubRepository, InputVolume, InputVolumes, OutputVolumes, RepoType, SecretText};
use crate::{HttpUrl, RelativePath, SecretPairs, Sha256Digest, Upload, UploadMethod};

/// An input, without its path.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum InputForm<'a> {
    Inline(InlineForm<'a>),
    Http(UrlForm<'a>),
    ZipUrl(UrlForm<'a>),
    #[serde(rename = "huggingface")]
    HuggingFace(HubForm<'a>),
}

/// An output, without its path.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutputForm<'a> {
    HttpPut(PutForm<'a>),
    HttpPost(PostForm<'a>),
    ZipPut(PutForm<'a>),
    ZipPost(PostForm<'a>),
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct InlineForm<'a> {
    /// A zip file in base64.
    contents: &'a str,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct UrlForm<'a> {
    url: UrlText<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Cow<'_, str>>", regex(pattern = "^[0-9a-fA-F]{64}$"))]
    sha256: Option<&'a Sha256Digest>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct HubForm<'a> {
    /// For instance `openai/whisper-tiny`.
    repo_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    repo_type: Option<RepoType>,
    /// A branch, tag or commit. Default `main`.
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    /// Which files, by patterns like `*.json`. Default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_patterns: Option<Patterns<'a>>,
    /// The token that may read it. Default that of the environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct PutForm<'a> {
    url: UrlText<'a>,
    /// The headers that are sent with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_headers: Option<Pairs<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct PostForm<'a> {
    url: UrlText<'a>,
    /// The fields in front of the file, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    form_fields: Option<Pairs<'a>>,
    /// The headers that are sent with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_headers: Option<Pairs<'a>>,
}

/// A URL with its secrets.
struct UrlText<'a>(&'a HttpUrl);

read_as!(UrlText<'_>, "UrlText", { "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" });

impl Serialize for UrlText<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.0.reveal())
    }
}

/// Patterns of file names: a list, or one text.
#[derive(Serialize)]
#[serde(transparent)]
struct Patterns<'a>(&'a [String]);

read_as!(Patterns<'_>, "Patterns", {
    "type": ["string", "array"], "items": { "type": "string" },
});

/// Volumes by path: one stands there by itself, several are a list.
pub(super) struct ByPath<T>(Vec<(String, Vec<T>)>);

/// What stands at one path.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum AtPath<'a, T> {
    One(&'a T),
    Several(&'a [T]),
}

impl<T> ByPath<T> {
    /// Groups volumes by path, in the order in which the paths first come; `None` when there is none.
    fn of(volumes: impl Iterator<Item = (String, T)>) -> Option<Self> {
        let mut paths: Vec<(String, Vec<T>)> = Vec::new();
        let mut known = HashMap::new();
        for (path, volume) in volumes {
            let next = paths.len();
            let index = *known.entry(path.clone()).or_insert(next);
            match paths.get_mut(index) {
                Some((_, group)) => group.push(volume),
                None => paths.push((path, vec![volume])),
            }
        }
        (!paths.is_empty()).then_some(Self(paths))
    }
}

impl<T: Serialize> Serialize for ByPath<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(path, volumes)| match &volumes[..] {
            [one] => (path, AtPath::One(one)),
            several => (path, AtPath::Several(several)),
        }))
    }
}

impl<T: JsonSchema> JsonSchema for ByPath<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("ByPath_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let volumes = generator.subschema_for::<AtPath<'_, T>>();
        json_schema!({ "type": "object", "additionalProperties": volumes })
    }
}

pub(super) fn inputs(inputs: &InputVolumes) -> Option<ByPath<InputForm<'_>>> {
    ByPath::of(inputs.iter().map(|input| {
        let path = input.path.as_ref().map_or("", RelativePath::as_str);
        (format!("/volume/{path}"), InputForm::from(&input.volume))
    }))
}

pub(super) fn outputs(outputs: &OutputVolumes) -> Option<ByPath<OutputForm<'_>>> {
    let files = outputs.files.iter();
    let files =
        files.map(|(path, to)| (format!("/output/{}", path.as_str()), OutputForm::file(to)));
    let zip = outputs.system_output.iter().map(|to| ("/output/".to_owned(), OutputForm::zip(to)));
    ByPath::of(files.chain(zip))
}

impl<'a> From<&'a InputVolume> for InputForm<'a> {
    fn from(volume: &'a InputVolume) -> Self {
        match volume {
            InputVolume::Inline(zip) => Self::Inline(InlineForm { contents: zip.as_base64() }),
            InputVolume::File { url, sha256 } => Self::Http(UrlForm::of(url, sha256.as_ref())),
            InputVolume::Zip { url, sha256 } => Self::ZipUrl(UrlForm::of(url, sha256.as_ref())),
            InputVolume::HuggingFace(repository) => Self::HuggingFace(HubForm::from(repository)),
        }
    }
}

impl<'a> UrlForm<'a> {
    const fn of(url: &'a HttpUrl, sha256: Option<&'a Sha256Digest>) -> Self {
        Self { url: UrlText(url), sha256 }
    }
}

impl<'a> From<&'a HubRepository> for HubForm<'a> {
    fn from(repository: &'a HubRepository) -> Self {
        let HubRepository { repo_id, repo_type, revision, allow_patterns, token } = repository;
        Self {
            repo_id,
            repo_type: (*repo_type != RepoType::default()).then_some(*repo_type),
            revision: revision.as_deref(),
            allow_patterns: filled(allow_patterns).map(Patterns),
            token: token.as_ref().map(SecretText::reveal),
        }
    }
}

impl<'a> OutputForm<'a> {
    fn file(to: &'a Upload) -> Self {
        match to.method() {
            UploadMethod::Put => Self::HttpPut(PutForm::of(to)),
            UploadMethod::Post { fields } => Self::HttpPost(PostForm::of(to, fields)),
        }
    }

    fn zip(to: &'a Upload) -> Self {
        match to.method() {
            UploadMethod::Put => Self::ZipPut(PutForm::of(to)),
            UploadMethod::Post { fields } => Self::ZipPost(PostForm::of(to, fields)),
        }
    }
}

impl<'a> PutForm<'a> {
    fn of(to: &'a Upload) -> Self {
        Self { url: UrlText(to.url()), signed_headers: headers(to) }
    }
}

impl<'a> PostForm<'a> {
    /// The fields are written even when there are none.
    fn of(to: &'a Upload, fields: &'a SecretPairs) -> Self {
        let form_fields = Some(Pairs(fields));
        Self { url: UrlText(to.url()), form_fields, signed_headers: headers(to) }
    }
}

fn headers(to: &Upload) -> Option<Pairs<'_>> {
    (!to.headers().reveal().is_empty()).then_some(Pairs(to.headers()))
}
