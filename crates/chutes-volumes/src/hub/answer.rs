//! What the Hub answers.

use chutes_core::{Escaped, Sha256Digest};
use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::endpoint::RepoEndpoint;
use crate::VolumeError;

/// The name of a commit: 40 hexadecimal digits, or 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit(String);

impl Commit {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
struct Revision {
    sha: String,
}

/// An entry of the list of files.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    pub(super) path: String,
    #[serde(default)]
    size: Option<u64>,
    /// For large files: Git stores only this pointer.
    #[serde(default)]
    lfs: Option<LargeFile>,
}

#[derive(Clone, Debug, Deserialize)]
struct LargeFile {
    /// The SHA-256 checksum.
    oid: String,
    size: u64,
}

/// What is known of the content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: u64,
    pub(super) sha256: Option<Sha256Digest>,
}

impl TreeEntry {
    pub(super) fn is_file(&self) -> bool {
        self.kind == "file"
    }

    pub(super) fn content(&self) -> Result<Content, VolumeError> {
        let path = Escaped(&self.path);
        if let Some(LargeFile { oid, size }) = &self.lfs {
            let sha256 = oid.strip_prefix("sha256:").unwrap_or(oid).parse();
            let sha256 = sha256
                .map_err(|error| not_the_hub(&format!("in the checksum of `{path}`: {error}")))?;
            return Ok(Content { bytes: *size, sha256: Some(sha256) });
        }
        match self.size {
            Some(bytes) => Ok(Content { bytes, sha256: None }),
            None => Err(not_the_hub(&format!("`{path}` has no size"))),
        }
    }
}

/// The commit that a revision is.
pub(super) fn commit_of(body: &[u8]) -> Result<Commit, VolumeError> {
    let Revision { sha } = parse(body)?;
    let is_hexadecimal = sha.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hexadecimal && matches!(sha.len(), 40 | 64) {
        return Ok(Commit(sha));
    }
    Err(not_the_hub(&format!("`{}` is not the name of a commit", Escaped(&sha))))
}

/// A page of the list of files.
pub(super) fn entries_of(body: &[u8]) -> Result<Vec<TreeEntry>, VolumeError> {
    parse(body)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, VolumeError> {
    serde_json::from_slice(body).map_err(|error| not_the_hub(&error.to_string()))
}

fn not_the_hub(problem: &str) -> VolumeError {
    VolumeError::download_failed(format!("the server does not answer as the Hub does: {problem}"))
}

/// The page after this one, if there is one: `Link: <URL>; rel="next"`.
pub(super) fn next_page(
    headers: &HeaderMap,
    page: &Url,
    repo: &RepoEndpoint<'_>,
) -> Result<Option<Url>, VolumeError> {
    let values = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = values.into_iter().find_map(next_link) else { return Ok(None) };
    let url = page.join(target);
    let url = url.map_err(|error| not_the_hub(&format!("the next page has no URL: {error}")))?;
    if url == *page {
        return Err(not_the_hub("a page of its list of files is followed by itself"));
    }
    if !repo.is_at_endpoint(&url) {
        let host = url.host_str().unwrap_or_default().to_owned();
        let what = format!("the next page of its list of files is on another server: {host}");
        return Err(not_the_hub(&what));
    }
    Ok(Some(url))
}

/// The target of the link that is called `next`. Targets may have commas and semicolons.
fn next_link(header: &str) -> Option<&str> {
    let mut rest = header;
    loop {
        let (target, after) = rest.split_once('<')?.1.split_once('>')?;
        let (parameters, others) =
            after.split_once('<').map_or((after, None), |(parameters, _)| {
                (parameters, Some(&after[parameters.len()..]))
            });
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let parameter: String =
                parameter.chars().filter(|&letter| letter != '"' && letter != ' ').collect();
            parameter.eq_ignore_ascii_case("rel=next")
        });
        if is_next {
            return Some(target);
        }
        rest = others?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links() {
        let check = |header: &str, expected: Option<&str>| {
            assert_eq!(next_link(header), expected, "{header}");
        };
        check("", None);
        check("<https://hub.test/a?b=c>; rel=\"next\"", Some("https://hub.test/a?b=c"));
        check("</a?cursor=x,y;z>; rel=next", Some("/a?cursor=x,y;z"));
        check("</p>; rel=\"prev\", </n>; rel=\"next\"", Some("/n"));
        check("</n>; title=\"x\"; REL=\"Next\", </p>; rel=\"prev\"", Some("/n"));
        check("</p>; rel=\"prev\"", None);
        check("</p>; rel=\"nextish\"", None);
        check("</p; rel=\"next\"", None);
        check("rel=\"next\"", None);
    }

    #[test]
    fn commits() {
        let check = |body: &str, is_good: bool| {
            assert_eq!(commit_of(body.as_bytes()).is_ok(), is_good, "{body}");
        };
        check(&format!(r#"{{"sha":"{}","private":false}}"#, "0a".repeat(20)), true);
        check(&format!(r#"{{"sha":"{}"}}"#, "0a".repeat(32)), true);
        check(r#"{"sha":"main"}"#, false);
        check(r#"{"sha":""}"#, false);
        check(&format!(r#"{{"sha":"../{}"}}"#, "a".repeat(37)), false);
        check(r#"{"id":"a/b"}"#, false);
        check("<html>", false);
    }
}
