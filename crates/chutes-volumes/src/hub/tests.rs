//! What is listed, against a server that is like the Hub, or is not.

use std::fs;

use chutes_core::RepoType;
use chutes_test_support::servers::hub::{Behaviour, HubServer, commit};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;

struct Hub {
    server: HubServer,
    _folder: TempDir,
}

impl Hub {
    /// A server with `ada/model` and `ada/data`.
    fn start(behaviour: Behaviour) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, content) in [
            ("models/ada/model/README.md", "readme"),
            ("models/ada/model/config.json", "{}"),
            ("models/ada/model/model.bin", "weights"),
            ("models/ada/model/onnx/deep/größe #1 100%?.json", "[]"),
            ("models/ada/model/onnx/model.bin", "other weights"),
            ("datasets/ada/data/train/0.csv", "1,2"),
            ("spaces/ada/space/app.py", "pass"),
            ("models/ada/odd/%2e%2e/%2F", "1"),
            ("models/ada/odd/a\tb\n", "2"),
            ("models/ada/odd/a+b;c=d:@&$,'\"<>|^`{}[]~", "3"),
            ("models/ada/odd/…/😀", "4"),
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        fs::create_dir_all(folder.path().join("models/ada/empty/folder")).unwrap();
        Self { server: HubServer::start(folder.path(), behaviour), _folder: folder }
    }

    fn settings(&self) -> HubSettings {
        HubSettings { endpoint: Url::parse(&self.server.url()).unwrap(), token: None }
    }

    async fn list(&self, repository: &HubRepository) -> Result<Vec<HubFile>, VolumeError> {
        list(&client(), repository, &self.settings(), &volume()).await
    }

    /// Listing fails with `DownloadFailed`, and the message has these in it.
    async fn check_refused(&self, repository: &HubRepository, expected: &[&str]) {
        let error = self.list(repository).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::DownloadFailed, "{error}");
        for part in expected {
            assert!(error.message.contains(part), "`{error}` does not say `{part}`");
        }
    }
}

fn client() -> Client {
    Client::new(&crate::settings::tests::settings(), &crate::abort::FetchAbort::default()).unwrap()
}

fn volume() -> Progress {
    Progress::new(chutes_core::EventReporter::none(), "/volume/a".into())
}

fn repository(repo_id: &str) -> HubRepository {
    HubRepository {
        repo_id: repo_id.to_owned(),
        repo_type: RepoType::Model,
        revision: None,
        allow_patterns: Vec::new(),
        token: None,
    }
}

fn paths(files: &[HubFile]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}

#[tokio::test]
async fn all_files_of_three_pages() {
    let hub = Hub::start(Behaviour { page_size: 3, ..Behaviour::default() });
    let files = hub.list(&repository("ada/model")).await.unwrap();
    let all = [
        "README.md",
        "config.json",
        "model.bin",
        "onnx/deep/größe #1 100%?.json",
        "onnx/model.bin",
    ];
    assert_eq!(paths(&files), all);
    let (url, commit) = (hub.server.url(), commit("ada/model"));
    let targets: Vec<_> = hub.server.requests().into_iter().map(|asked| asked.target).collect();
    let tree = format!("/api/models/ada/model/tree/{commit}?recursive=true&expand=false");
    let pages = [tree.clone(), format!("{tree}&cursor=3"), format!("{tree}&cursor=6")];
    assert_eq!(targets[0], "/api/models/ada/model/revision/main");
    assert_eq!(targets[1..], pages);

    let Request { url: config, authorization, sha256, bytes, cache_key } = &files[1].request;
    assert_eq!(config.as_str(), format!("{url}/ada/model/resolve/{commit}/config.json"));
    assert_eq!((authorization, sha256, bytes), (&None, &None, &Some(2)));
    assert_eq!(*cache_key, Some(format!("{url}/ model ada/model {commit} config.json")));

    let weights = &files[2].request;
    let expected: [u8; 32] = Sha256::digest(b"weights").into();
    assert_eq!(weights.sha256.unwrap().as_bytes(), &expected);
    assert_eq!((weights.bytes, &weights.cache_key), (Some(7), &None));
}

/// Every URL in the list leads to its file, whatever is in its name.
#[tokio::test]
async fn urls_lead_to_the_files() {
    let hub = Hub::start(Behaviour { redirects: true, ..Behaviour::default() });
    let mut contents = Vec::new();
    for (id, repo_type) in [
        ("ada/model", RepoType::Model),
        ("ada/data", RepoType::Dataset),
        ("ada/space", RepoType::Space),
        ("ada/odd", RepoType::Model),
    ] {
        for file in hub.list(&HubRepository { repo_type, ..repository(id) }).await.unwrap() {
            let (body, _) = client().get_json(&file.request, &volume()).await.unwrap();
            assert_eq!(file.request.bytes, Some(body.len() as u64));
            contents.push(String::from_utf8(body).unwrap());
        }
    }
    let expected =
        ["readme", "{}", "weights", "[]", "other weights", "1,2", "pass", "1", "2", "3", "4"];
    assert_eq!(contents, expected);
}

#[tokio::test]
async fn patterns_choose_files() {
    let hub = Hub::start(Behaviour { page_size: 1, ..Behaviour::default() });
    let of = |patterns: &[&str]| HubRepository {
        allow_patterns: patterns.iter().map(|&pattern| pattern.to_owned()).collect(),
        ..repository("ada/model")
    };
    let files = hub.list(&of(&["*.bin", "config.json"])).await.unwrap();
    assert_eq!(paths(&files), ["config.json", "model.bin", "onnx/model.bin"]);
    let files = hub.list(&of(&["onnx/"])).await.unwrap();
    assert_eq!(paths(&files), ["onnx/deep/größe #1 100%?.json", "onnx/model.bin"]);
    let expected =
        ["the model `ada/model` (revision `main`)", "none of its 5 files", "`*.gguf`, `x`"];
    hub.check_refused(&of(&["*.gguf", "x"]), &expected).await;
    hub.check_refused(&repository("ada/empty"), &["it has no files"]).await;
}

#[tokio::test]
async fn revisions() {
    let hub = Hub::start(Behaviour::default());
    let at = |revision: &str| HubRepository {
        revision: Some(revision.to_owned()),
        ..repository("ada/model")
    };
    let by_branch = hub.list(&at("refs/pr/1")).await.unwrap();
    let asked = &hub.server.requests()[0].target;
    assert_eq!(asked, "/api/models/ada/model/revision/refs%2Fpr%2F1");
    let by_commit = hub.list(&at(&commit("ada/model"))).await.unwrap();
    assert_eq!(by_branch, by_commit);
    for (branch, segment) in
        [("fix#1", "fix%231"), ("50%25?=größe&{a}", "50%2525%3F%3Dgr%C3%B6%C3%9Fe%26%7Ba%7D")]
    {
        assert_eq!(hub.list(&at(branch)).await.unwrap(), by_commit);
        let asked = hub.server.requests().into_iter().map(|asked| asked.target);
        let expected = format!("/api/models/ada/model/revision/{segment}");
        assert!(asked.collect::<Vec<_>>().contains(&expected), "{branch}");
    }
    let expected =
        ["the model `ada/model` (revision `v9`)", "404", "if it is private, give it a `token`"];
    hub.check_refused(&at("v9"), &expected).await;
}

#[tokio::test]
async fn names_that_are_none() {
    let hub = Hub::start(Behaviour::default());
    for id in ["", "..", "../ada", "ada/..", "/ada", "a/b/c", "a//b", "ada\\model", "ada/model/"] {
        hub.check_refused(&repository(id), &[]).await;
    }
    for revision in ["", "..", "../main", "/main", "a/../b"] {
        let revision = Some(revision.to_owned());
        hub.check_refused(&HubRepository { revision, ..repository("ada/model") }, &[]).await;
    }
    assert_eq!(hub.server.requests(), []);
}

#[tokio::test]
async fn private_repositories() {
    let hub = Hub::start(Behaviour { token: Some("hf_secret".to_owned()), ..Behaviour::default() });
    let with = |token: &str| HubRepository {
        token: Some(SecretText::new(token.to_owned())),
        ..repository("ada/model")
    };
    let expected = ["the model `ada/model` (revision `main`)", "401", "give it a `token`"];
    hub.check_refused(&repository("ada/model"), &expected).await;
    hub.check_refused(&with("hf_wrong"), &["401", "the token may read it"]).await;
    let error = hub.list(&with("hf_wrong")).await.unwrap_err();
    assert!(!error.message.contains("hf_wrong"), "{error}");

    let of_spec = hub.list(&with("hf_secret")).await.unwrap();
    let token = Some(SecretText::new("hf_secret".to_owned()));
    let settings = HubSettings { token, ..hub.settings() };
    let client = client();
    let of_settings = list(&client, &repository("ada/model"), &settings, &volume()).await.unwrap();
    assert_eq!(of_spec, of_settings);
    let header = SecretText::new("Bearer hf_secret".to_owned());
    assert!(of_spec.iter().all(|file| file.request.authorization == Some(header.clone())));
    // That of the spec comes first.
    list(&client, &with("hf_wrong"), &settings, &volume()).await.unwrap_err();
}

#[tokio::test]
async fn hostile_lists() {
    for (names, expected) in [
        (vec!["../evil.txt"], "the file `../evil.txt` has a component `..`"),
        (vec!["/etc/passwd"], "the file `/etc/passwd` begins with `/`"),
        (vec!["a\\b"], "the file `a\\b` has a backslash"),
        (vec!["a\0b"], "has a zero byte"),
        (vec!["a/./b"], "has a component `.`"),
        (vec![""], "is empty"),
        (vec!["config.json"], "the file `config.json` is there twice"),
        (vec!["x", "x/y"], "the file `x/y` is a file and a folder at once"),
        (vec!["onnx"], "the file `onnx` is a file and a folder at once"),
    ] {
        let more_names = names.into_iter().map(str::to_owned).collect();
        let hub = Hub::start(Behaviour { more_names, page_size: 2, ..Behaviour::default() });
        hub.check_refused(&repository("ada/model"), &["the model `ada/model`", expected]).await;
        // What is not asked for spoils nothing.
        let allow_patterns = vec!["README.md".to_owned(), "*.bin".to_owned()];
        let chosen = HubRepository { allow_patterns, ..repository("ada/model") };
        let files = hub.list(&chosen).await.unwrap();
        assert_eq!(paths(&files), ["README.md", "model.bin", "onnx/model.bin"]);
    }
}

#[tokio::test]
async fn pages_that_lead_elsewhere() {
    let elsewhere = Hub::start(Behaviour::default());
    let token = Some(SecretText::new("hf_secret".to_owned()));
    let with_token = HubRepository { token, ..repository("ada/model") };
    let next = |url: String| Behaviour { next_page: Some(url), ..Behaviour::default() };
    let hub = Hub::start(next(format!("{}/next", elsewhere.server.url())));
    hub.check_refused(&with_token, &["is on another server: 127.0.0.1"]).await;
    assert_eq!(elsewhere.server.requests(), []);
    let hub = Hub::start(next("file:///etc/passwd".to_owned()));
    hub.check_refused(&with_token, &["is on another server"]).await;
    let commit = commit("ada/model");
    let same = format!("/api/models/ada/model/tree/{commit}?recursive=true&expand=false");
    let hub = Hub::start(next(same));
    hub.check_refused(&with_token, &["is followed by itself"]).await;
    // Round in circles: the same names come again.
    let hub = Hub::start(next(format!("/api/models/ada/model/tree/{commit}?again")));
    hub.check_refused(&with_token, &["`README.md` is there twice"]).await;
    // Also when none of them is asked for.
    let allow_patterns = vec!["x".to_owned()];
    let chosen = HubRepository { allow_patterns, ..repository("ada/model") };
    hub.check_refused(&chosen, &["is followed by itself"]).await;
}

#[tokio::test]
async fn one_request_fails() {
    for part in ["/revision/", "/tree/", "cursor=3"] {
        let fails_once = Some((part.to_owned(), 410));
        let hub = Hub::start(Behaviour { fails_once, page_size: 3, ..Behaviour::default() });
        hub.check_refused(&repository("ada/model"), &["the model `ada/model`", "410"]).await;
        assert_eq!(hub.list(&repository("ada/model")).await.unwrap().len(), 5);
    }
}

#[test]
fn settings_of_the_environment() {
    let check = |endpoint: &str, token: &str, expected: Option<(&str, Option<&str>)>| {
        let settings = HubSettings::from_variables(|name| match name {
            "HF_ENDPOINT" => Some(endpoint.to_owned()),
            "HF_TOKEN" => Some(token.to_owned()),
            _ => None,
        });
        let settings = settings.ok().map(|HubSettings { endpoint, token }| {
            (endpoint.to_string(), token.map(|token| token.reveal().to_owned()))
        });
        let expected = expected.map(|(url, token)| (url.to_owned(), token.map(str::to_owned)));
        assert_eq!(settings, expected, "{endpoint:?}");
    };
    check("", "", Some(("https://huggingface.co/", None)));
    check(
        "http://mirror.test:8080/hub/",
        " hf_x\n",
        Some(("http://mirror.test:8080/hub/", Some("hf_x"))),
    );
    check("mirror.test", "", None);
    check("ftp://mirror.test", "", None);
}

/// An endpoint may be below a path, as that of a mirror.
#[test]
fn an_endpoint_with_a_path() {
    for endpoint in
        ["https://mirror.test/hub", "https://mirror.test/hub/", "https://mirror.test/hub?x#y"]
    {
        let settings = HubSettings { endpoint: Url::parse(endpoint).unwrap(), token: None };
        let repository = repository("ada/model");
        let request = RepoEndpoint::new(&repository, &settings).unwrap().revision().unwrap();
        let expected = "https://mirror.test/hub/api/models/ada/model/revision/main";
        assert_eq!(request.url.as_str(), expected);
    }
}
