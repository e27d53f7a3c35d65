//! The Hugging Face Hub: which files a repository has, and where they are.
//!
//! A revision is first resolved to its commit, and everything after that is asked of the commit: files
//! of two commits are never mixed, and what is named by a commit can be kept.

mod answer;
mod endpoint;
mod pattern;

#[cfg(test)]
mod tests;

use chutes_core::{Escaped, FailureKind, HubRepository, RelativePath, SecretText};
use url::Url;

use self::answer::{TreeEntry, commit_of, entries_of, next_page};
use self::endpoint::RepoEndpoint;
use self::pattern::Patterns;
use super::VolumeError;
use super::http::{Client, Request};
use super::progress::Progress;
use super::unpack::names::Names;

const ENDPOINT: &str = "https://huggingface.co";

/// The variables that the programs of the Hub read, too.
const ENDPOINT_VARIABLE: &str = "HF_ENDPOINT";
const TOKEN_VARIABLE: &str = "HF_TOKEN";

/// How many files a repository may have, and files and folders those that are asked for. The largest known have some 100,000.
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

/// Where the Hub is, and the token for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubSettings {
    /// Its address, to which the paths of its API are added.
    pub endpoint: Url,
    /// The token for repositories that come without one of their own.
    pub token: Option<SecretText>,
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
    pub fn from_environment() -> Result<Self, VolumeError> {
        Self::from_variables(|name| std::env::var_os(name)?.into_string().ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, VolumeError> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let mut settings = Self::default();
        if let Some(endpoint) = variable(ENDPOINT_VARIABLE) {
            let url = Url::parse(endpoint.trim()).ok();
            let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
            settings.endpoint = url.ok_or_else(|| {
                VolumeError::platform(format!("{ENDPOINT_VARIABLE} is not an HTTP URL"))
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
    volume: &Progress,
) -> Result<Vec<HubFile>, VolumeError> {
    let repo = RepoEndpoint::new(repository, settings)?;
    let in_context = |error| in_context(error, &repo);
    let resolved = client.get_json(&repo.revision()?, volume).await;
    let (body, _) = resolved.map_err(|error| with_advice(error, &repo))?;
    let commit = commit_of(&body).map_err(in_context)?;
    let patterns = Patterns::new(&repository.allow_patterns);
    let mut names = Names::new(MAX_ENTRIES);
    let (mut files, mut seen) = (Vec::new(), 0);
    let mut page = Some(repo.tree(&commit)?);
    for _ in 0..MAX_PAGES {
        let Some(url) = page.take() else { return chosen(files, seen, &repo) };
        let (body, headers) =
            client.get_json(&repo.request(url.clone()), volume).await.map_err(in_context)?;
        for entry in entries_of(&body).map_err(in_context)? {
            if !entry.is_file() {
                continue;
            }
            seen += 1;
            if seen > MAX_ENTRIES {
                let problem = format!("it has more than {MAX_ENTRIES} files");
                return Err(in_context(VolumeError::download_failed(problem)));
            }
            // What is not asked for may be called whatever it is.
            if patterns.allow(&entry.path) {
                let path = checked(&entry, &mut names).map_err(in_context)?;
                files.push(repo.file(&commit, path, &entry)?);
            }
        }
        page = next_page(&headers, &url, &repo).map_err(in_context)?;
    }
    Err(in_context(VolumeError::download_failed(format!(
        "its list of files has more than {MAX_PAGES} pages"
    ))))
}

/// The path of a file, if it is one that can be below a directory together with all others that are asked for.
fn checked(entry: &TreeEntry, names: &mut Names) -> Result<RelativePath, VolumeError> {
    let path = RelativePath::new(&entry.path)
        .map_err(|error| VolumeError::download_failed(format!("the file {error}")))?;
    names.add(&path, false).map_err(|conflict| {
        VolumeError::download_failed(format!("the file `{path}` {conflict}"))
    })?;
    Ok(path)
}

fn chosen(
    files: Vec<HubFile>,
    seen: u64,
    repo: &RepoEndpoint<'_>,
) -> Result<Vec<HubFile>, VolumeError> {
    if !files.is_empty() {
        return Ok(files);
    }
    let what = if seen == 0 {
        "it has no files".to_owned()
    } else {
        let patterns = repo.repository().allow_patterns.join("`, `");
        let patterns = Escaped(&patterns);
        format!("none of its {seen} files matches `allow_patterns` (`{patterns}`)")
    };
    Err(in_context(VolumeError::download_failed(what), repo))
}

/// The same error, with the repository.
fn in_context(error: VolumeError, repo: &RepoEndpoint<'_>) -> VolumeError {
    if error.kind == FailureKind::Platform {
        return error;
    }
    let message = format!("{repo} cannot be taken from the Hub: {}", error.message);
    VolumeError { message, ..error }
}

/// The same error, with what can be done. The Hub answers alike for what is private and what does not
/// exist.
fn with_advice(error: VolumeError, repo: &RepoEndpoint<'_>) -> VolumeError {
    let advice = if repo.has_token() {
        "check that it exists, and that the token may read it"
    } else {
        "check that it exists; if it is private, give it a `token`, or set HF_TOKEN"
    };
    let mut error = in_context(error, repo);
    if error.kind == FailureKind::DownloadFailed {
        error.message = format!("{}: {advice}", error.message);
    }
    error
}
