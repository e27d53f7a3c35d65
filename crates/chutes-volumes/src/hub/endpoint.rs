//! A repository of the Hub: its URLs.

use std::fmt;

use chutes_core::{Escaped, HubRepository, RelativePath, RelativePathError, RepoType, SecretText};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::answer::{Commit, TreeEntry};
use super::{HubFile, HubSettings};
use crate::VolumeError;
use crate::http::Request;

/// What is encoded in a segment of a path: all that does not certainly stand for itself.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The revision of a repository without one.
const DEFAULT_REVISION: &str = "main";

/// A repository with a name and a revision that can be part of a URL.
pub(super) struct RepoEndpoint<'a> {
    repository: &'a HubRepository,
    settings: &'a HubSettings,
    id: RelativePath,
    revision: RelativePath,
}

impl<'a> RepoEndpoint<'a> {
    pub(super) fn new(
        repository: &'a HubRepository,
        settings: &'a HubSettings,
    ) -> Result<Self, VolumeError> {
        let wrong =
            |error: RelativePathError| VolumeError::download_failed(format!("the name {error}"));
        let id = RelativePath::new(&repository.repo_id).map_err(wrong)?;
        if id.components().count() > 2 {
            let what = format!("`{id}` is not the name of a repository: it is like `owner/name`");
            return Err(VolumeError::download_failed(what));
        }
        // The name of a branch may have slashes, but it is never a way to somewhere else.
        let revision = repository.revision.as_deref().unwrap_or(DEFAULT_REVISION);
        let revision = RelativePath::new(revision).map_err(wrong)?;
        Ok(Self { repository, settings, id, revision })
    }

    pub(super) const fn repository(&self) -> &'a HubRepository {
        self.repository
    }

    /// The request for the commit of the revision.
    pub(super) fn revision(&self) -> Result<Request, VolumeError> {
        let mut segments = self.api();
        segments.extend(["revision", self.revision.as_str()]);
        Ok(self.request(self.url(&segments)?))
    }

    /// Where the list of the files of a commit begins.
    pub(super) fn tree(&self, commit: &Commit) -> Result<Url, VolumeError> {
        let mut segments = self.api();
        segments.extend(["tree", commit.as_str()]);
        let mut url = self.url(&segments)?;
        url.set_query(Some("recursive=true&expand=false"));
        Ok(url)
    }

    /// A file of a commit.
    pub(super) fn file(
        &self,
        commit: &Commit,
        path: RelativePath,
        entry: &TreeEntry,
    ) -> Result<HubFile, VolumeError> {
        let kind = self.repository.repo_type;
        let mut segments = match kind {
            RepoType::Model => Vec::new(),
            RepoType::Dataset => vec!["datasets"],
            RepoType::Space => vec!["spaces"],
        };
        segments.extend(self.id.components());
        segments.extend(["resolve", commit.as_str()]);
        segments.extend(path.components());
        let mut request = self.request(self.url(&segments)?);
        let content = entry.content()?;
        request.bytes = Some(content.bytes);
        request.sha256 = content.sha256;
        // What has a checksum is named by it.
        request.cache_key = content.sha256.is_none().then(|| {
            let (endpoint, kind) = (&self.settings.endpoint, kind.as_str());
            format!("{endpoint} {kind} {} {} {}", self.id.as_str(), commit.as_str(), path.as_str())
        });
        Ok(HubFile { path, request })
    }

    /// A request with the token, for a URL of the endpoint.
    pub(super) fn request(&self, url: Url) -> Request {
        let token = self.token().filter(|_| self.is_at_endpoint(&url));
        let authorization =
            token.map(|token| SecretText::new(format!("Bearer {}", token.reveal())));
        Request { url, authorization, sha256: None, bytes: None, cache_key: None }
    }

    /// Whether requests carry a token.
    pub(super) fn has_token(&self) -> bool {
        self.token().is_some()
    }

    fn token(&self) -> Option<&'a SecretText> {
        self.repository.token.as_ref().or(self.settings.token.as_ref())
    }

    /// Whether a URL belongs to the server that the token is for.
    pub(super) fn is_at_endpoint(&self, url: &Url) -> bool {
        url.origin() == self.settings.endpoint.origin()
    }

    fn api(&self) -> Vec<&str> {
        let kind = match self.repository.repo_type {
            RepoType::Model => "models",
            RepoType::Dataset => "datasets",
            RepoType::Space => "spaces",
        };
        ["api", kind].into_iter().chain(self.id.components()).collect()
    }

    /// The URL of these segments, each of which is encoded, with all its slashes.
    fn url(&self, segments: &[&str]) -> Result<Url, VolumeError> {
        let mut url = self.settings.endpoint.clone();
        if url.cannot_be_a_base() {
            return Err(VolumeError::platform("the endpoint of the Hub has no paths"));
        }
        // Not left to the URL: it drops tabs and the ends of lines, which names of files may have.
        let segments = segments.iter().map(|segment| utf8_percent_encode(segment, ENCODED));
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&segments.fold(path, |path, segment| format!("{path}/{segment}")));
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    }
}

/// For instance ``the model `a/b` (revision `main`)``.
impl fmt::Display for RepoEndpoint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.repository.repo_type.as_str();
        let id = Escaped(&self.repository.repo_id);
        write!(f, "the {kind} `{id}` (revision `{}`)", self.revision)
    }
}
