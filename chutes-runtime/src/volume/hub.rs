//! The Hugging Face Hub: which files a repository has, and where they are.
//!
//! A revision is first resolved to its commit, and everything after that is asked of the commit: files
//! of two commits are never mixed, and what is named by a commit can be kept.

mod answer;
mod pattern;
mod place;

#[cfg(test)]
mod tests;

use chutes_core::{Escaped, FailureKind, HubRepository, RelativePath, SecretText};
use url::Url;

use self::answer::{TreeEntry, commit_of, entries_of, next_page};
use self::pattern::Patterns;
use self::place::Place;
use super::VolumeError;
use super::http::{Client, Request};
use super::unpack::names::Names;

const ENDPOINT: &str = "https://huggingface.co";

/// The variables that the programs of the Hub read, too.
const ENDPOINT_VARIABLE: &str = "HF_ENDPOINT";
const TOKEN_VARIABLE: &str = "HF_TOKEN";

/// How many files and folders a repository may have. The largest that we know have some 100,000.
const MAX_ENTRIES: u64 = 1_000_000;

/// How many pages a list of files may have. A page of the Hub has up to 1,000 entries.
const MAX_PAGES: usize = 10_000;

/// A file of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HubFile {
    /// Its path in the repository.
    pub(crate) path: RelativePath,
    /// What has to be asked for to get it.
    pub(crate) request: Request,
}

/// Where the Hub is, and who we are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HubSettings {
    /// Its address, to which the paths of its API are added.
    pub(crate) endpoint: Url,
    /// The token for repositories that come without one of their own.
    pub(crate) token: Option<SecretText>,
}

impl Default for HubSettings {
    fn default() -> Self {
        #[expect(clippy::expect_used, reason = "a constant that a test reads")]
        let endpoint = Url::parse(ENDPOINT).expect("a URL");
        Self { endpoint, token: None }
    }
}

impl HubSettings {
    /// From `HF_ENDPOINT` and `HF_TOKEN`, where they are set.
    pub(crate) fn from_environment() -> Result<Self, VolumeError> {
        Self::from_variables(|name| std::env::var_os(name)?.into_string().ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, VolumeError> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let mut settings = Self::default();
        if let Some(endpoint) = variable(ENDPOINT_VARIABLE) {
            let url = Url::parse(endpoint.trim()).ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
            settings.endpoint = url.ok_or_else(|| {
                VolumeError::of_platform(format!("{ENDPOINT_VARIABLE} is not an HTTP URL"))
            })?;
        }
        settings.token = variable(TOKEN_VARIABLE).map(|token| SecretText::new(token.trim().into()));
        Ok(settings)
    }
}

/// The files of a repository that its patterns allow, in the order of the Hub.
pub(crate) async fn list(
    client: &Client,
    repository: &HubRepository,
    settings: &HubSettings,
) -> Result<Vec<HubFile>, VolumeError> {
    let place = Place::new(repository, settings)?;
    let in_context = |error| in_context(error, &place);
    let (body, _) =
        client.get_json(&place.revision()?).await.map_err(|error| with_advice(error, &place))?;
    let commit = commit_of(&body).map_err(in_context)?;
    let patterns = Patterns::new(&repository.allow_patterns);
    let mut names = Names::new(MAX_ENTRIES);
    let (mut files, mut seen) = (Vec::new(), 0);
    let mut page = Some(place.tree(&commit)?);
    for _ in 0..MAX_PAGES {
        let Some(url) = page.take() else { return chosen(files, seen, &place) };
        let (body, headers) =
            client.get_json(&place.request(url.clone())).await.map_err(in_context)?;
        for entry in entries_of(&body).map_err(in_context)? {
            if !entry.is_file() {
                continue;
            }
            let path = checked(&entry, &mut names).map_err(in_context)?;
            seen += 1;
            if patterns.allow(path.as_str()) {
                files.push(place.file(&commit, path, &entry)?);
            }
        }
        page = next_page(&headers, &url, &place).map_err(in_context)?;
    }
    Err(in_context(VolumeError::of_user(format!(
        "its list of files has more than {MAX_PAGES} pages"
    ))))
}

/// The path of a file, if it is one that can be below a directory together with all others.
fn checked(entry: &TreeEntry, names: &mut Names) -> Result<RelativePath, VolumeError> {
    let path = RelativePath::new(&entry.path)
        .map_err(|error| VolumeError::of_user(format!("the file {error}")))?;
    names
        .add(&path, false)
        .map_err(|conflict| VolumeError::of_user(format!("the file `{path}` {conflict}")))?;
    Ok(path)
}

fn chosen(
    files: Vec<HubFile>,
    seen: usize,
    place: &Place<'_>,
) -> Result<Vec<HubFile>, VolumeError> {
    if !files.is_empty() {
        return Ok(files);
    }
    let what = if seen == 0 {
        "it has no files".to_owned()
    } else {
        let patterns = place.repository().allow_patterns.join("`, `");
        let patterns = Escaped(&patterns);
        format!("none of its {seen} files matches `allow_patterns` (`{patterns}`)")
    };
    Err(in_context(VolumeError::of_user(what), place))
}

/// The same error, with the repository.
fn in_context(error: VolumeError, place: &Place<'_>) -> VolumeError {
    if error.kind != FailureKind::DownloadFailed {
        return error;
    }
    VolumeError::of_user(format!("{place} cannot be taken from the Hub: {}", error.message))
}

/// The same error, with what can be done. The Hub does not tell what is private from what does not
/// exist.
fn with_advice(error: VolumeError, place: &Place<'_>) -> VolumeError {
    let advice = if place.has_token() {
        "check that it exists, and that the token may read it"
    } else {
        "check that it exists; if it is private, give it a `token`, or set HF_TOKEN"
    };
    let mut error = in_context(error, place);
    if error.kind == FailureKind::DownloadFailed {
        error.message = format!("{}: {advice}", error.message);
    }
    error
}
