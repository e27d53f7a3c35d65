//! Whole fetches: volumes of all kinds from a server on the loopback interface, into a directory.

mod kept;
mod measure;
mod retries;

use std::fs;
use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cap_std::ambient_authority;
use chutes_core::{FailureKind, InlineZip, RepoType};
use chutes_test_support::servers::download::{Act, Server, content, plain, status};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::settings::tests::settings;

/// A directory for inputs, and the events.
struct Fixture {
    folder: TempDir,
    settings: Settings,
    log: Arc<Mutex<Vec<RunEvent>>>,
    control: FetchControl,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inputs")).unwrap();
        let (settings, log, control) = (settings(), Arc::default(), FetchControl::default());
        Self { folder, settings, log, control }
    }

    fn with_cache() -> Self {
        let mut fixture = Self::new();
        let dir = fixture.folder.path().join("cache");
        fixture.settings.cache = Some(CacheSettings::new(dir));
        fixture
    }

    async fn fetch(&self, volumes: Vec<MountedVolume>) -> Result<(), VolumeError> {
        let inputs = self.folder.path().join("inputs");
        let inputs = Dir::open_ambient_dir(inputs, ambient_authority()).unwrap();
        let log = Arc::clone(&self.log);
        let events = EventReporter::new(move |event| log.lock().unwrap().push(event));
        let volumes = InputVolumes::new(volumes);
        fetch(&volumes, inputs, &self.settings, &events, self.control.clone()).await
    }

    /// All files, with their contents.
    fn files(&self) -> Vec<(String, String)> {
        let mut files = Vec::new();
        let root = self.folder.path().join("inputs");
        list(&root, &root, &mut files);
        files.sort();
        files
    }

    /// The last event of a volume: its bytes, whether it came from the cache, and whether it is done.
    fn last_progress(&self, wanted: &str) -> (u64, bool, bool) {
        let log = self.log.lock().unwrap();
        let found = log.iter().rev().find_map(|event| match event {
            RunEvent::Volume { place, bytes, cached, done, .. } if place == wanted => {
                Some((*bytes, *cached, *done))
            }
            _ => None,
        });
        found.unwrap()
    }

    fn warnings(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let warnings = log.iter().filter_map(|event| match event {
            RunEvent::Warning { message } => Some(message.clone()),
            _ => None,
        });
        warnings.collect()
    }
}

fn list(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = path.symlink_metadata().unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o755, "{}", path.display());
            list(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

fn files(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(path, content)| ((*path).to_owned(), (*content).to_owned())).collect()
}

fn sha256(content: &[u8]) -> Sha256Digest {
    Sha256Digest::from_bytes(Sha256::digest(content).into())
}

fn at(path: &str, volume: InputVolume) -> MountedVolume {
    let path = (!path.is_empty()).then(|| RelativePath::new(path).unwrap());
    MountedVolume { path, volume }
}

fn url(server: &Server, path: &str) -> HttpUrl {
    HttpUrl::new(server.url.join(path).unwrap().as_str()).unwrap()
}

fn file(server: &Server, path: &str) -> InputVolume {
    InputVolume::File { url: url(server, path), sha256: None }
}

fn zip_of(members: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn inline(members: &[(&str, &str)]) -> InputVolume {
    InputVolume::Inline(InlineZip::new(STANDARD.encode(zip_of(members))))
}

fn repository() -> InputVolume {
    InputVolume::HuggingFace(HubRepository {
        repo_id: "a/b".into(),
        repo_type: RepoType::Model,
        revision: None,
        allow_patterns: Vec::new(),
        token: None,
    })
}

/// What the Hub answers for [`repository`], when each of its files contains its own name. `None` for
/// other paths.
fn hub(names: &[String], path: &str) -> Option<Act> {
    let commit = "0a".repeat(20);
    if path == "/api/models/a/b/revision/main" {
        return Some(plain(json!({"sha": commit}).to_string().as_bytes()));
    }
    if path.starts_with(&format!("/api/models/a/b/tree/{commit}?")) {
        let entry = |name: &String| json!({"type": "file", "path": name, "size": name.len()});
        let entries: Vec<_> = names.iter().map(entry).collect();
        return Some(plain(json!(entries).to_string().as_bytes()));
    }
    let name = path.strip_prefix(&format!("/a/b/resolve/{commit}/"))?;
    Some(plain(name.as_bytes()))
}

/// Answers each path with its name.
async fn echo() -> Server {
    Server::start(|asked| plain(asked.path.as_bytes())).await
}

#[tokio::test]
async fn all_kinds_of_volumes() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/zip" => content(&zip_of(&[("c", "zipped")]), "\"z\""),
        path => plain(path.as_bytes()),
    })
    .await;
    let fixture = Fixture::with_cache();
    let zip = InputVolume::Zip { url: url(&server, "/zip"), sha256: None };
    let volumes = vec![
        at("d/e/f", file(&server, "/one")),
        at("", inline(&[("a", "inline"), ("b", "inline")])),
        at("b", file(&server, "/two")),
        at("z", zip),
        at("z", inline(&[("c", "later"), ("d", "later")])),
    ];
    fixture.fetch(volumes).await.unwrap();
    let expected =
        [("a", "inline"), ("b", "/two"), ("d/e/f", "/one"), ("z/c", "later"), ("z/d", "later")];
    assert_eq!(fixture.files(), files(&expected));
    assert_eq!(fixture.last_progress("/volume/d/e/f"), (4, false, true));
    assert_eq!(fixture.warnings(), [""; 0]);
    let mode = fs::metadata(fixture.folder.path().join("inputs/b")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[tokio::test]
async fn faults_of_the_user_say_what_and_where() {
    let server = Server::of(vec![status(404)]).await;
    let bad_base64 = InputVolume::Inline(InlineZip::new("%%%".into()));
    for (volume, expected) in [
        (at("a/b", file(&server, "/x?sig=abcdef123")), "/x was answered with 404 Not Found"),
        (at("a/b", bad_base64), "/volume/a/b: the contents of an inline volume are not base64"),
        (at("", file(&server, "/x")), "/volume: a single file needs a path below `/volume`"),
    ] {
        let place = volume.place();
        let error = Fixture::new().fetch(vec![volume]).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::DownloadFailed);
        assert!(error.message.contains(expected), "{error}");
        assert!(error.message.starts_with(&format!("{place}: ")), "{error}");
        assert!(!error.message.contains("abcdef123"), "{error}");
    }
}

#[tokio::test]
async fn a_file_and_a_folder_of_one_name() {
    let server = echo().await;
    for (first, second, expected) in [
        ("a", "a/b", "/volume/a/b: `a` is a file, and cannot be a folder, too"),
        ("a/b", "a", "`a` is a folder, and cannot be a file, too"),
    ] {
        let fixture = Fixture::new();
        fixture.fetch(vec![at(first, file(&server, "/one"))]).await.unwrap();
        let error = fixture.fetch(vec![at(second, file(&server, "/two"))]).await.unwrap_err();
        assert_eq!(error.kind, FailureKind::DownloadFailed);
        assert!(error.message.ends_with(expected), "{error}");
        assert_eq!(fixture.files(), files(&[(first, "/one")]));
    }
}

#[tokio::test]
async fn links_are_replaced_and_not_followed() {
    let server = echo().await;
    let fixture = Fixture::new();
    let outside = fixture.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("x"), "mine").unwrap();
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, fixture.folder.path().join("inputs").join(name)).unwrap();
    };
    link(&outside.join("x"), "file");
    link(&outside, "folder");
    fixture.fetch(vec![at("file", file(&server, "/one"))]).await.unwrap();
    let error = fixture.fetch(vec![at("folder/x", file(&server, "/two"))]).await.unwrap_err();
    assert!(error.message.ends_with("`folder` is a file, and cannot be a folder, too"), "{error}");
    assert_eq!(fs::read_to_string(outside.join("x")).unwrap(), "mine");
    assert!(!fixture.folder.path().join("inputs/file").is_symlink());
}

#[tokio::test]
async fn so_many_files_at_a_time() {
    let names: Vec<_> = (0..20).map(|number| format!("h{number}")).collect();
    let server = Server::start(move |asked| {
        hub(&names, &asked.path).unwrap_or_else(|| plain(asked.path.as_bytes()))
    })
    .await;
    let mut fixture = Fixture::new();
    fixture.settings.hub.endpoint = server.url.join("/").unwrap();
    fixture.settings.concurrency = 3;
    let mut volumes: Vec<_> =
        (0..20).map(|number| at(&format!("f{number}"), file(&server, "/x"))).collect();
    volumes.push(at("hub", repository()));
    fixture.fetch(volumes).await.unwrap();
    assert_eq!(fixture.files().len(), 40);
    assert!((1..=3).contains(&server.peak()), "{}", server.peak());
}

#[tokio::test]
async fn the_first_error_ends_the_others() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/bad" => status(410),
        _ => Act::Hang(Vec::new()),
    })
    .await;
    let fixture = Fixture::new();
    let volumes = ["/x", "/y", "/bad"].map(|path| at(&path[1..], file(&server, path)));
    let error = fixture.fetch(volumes.into()).await.unwrap_err();
    assert!(error.message.starts_with("/volume/bad: "), "{error}");
    assert_eq!(fixture.files(), []);
}

#[tokio::test]
async fn the_error_of_one_file_of_a_repository() {
    let names = ["x", "y", "bad"].map(str::to_owned);
    let server = Server::start(move |asked| match asked.path.as_str() {
        path if path.ends_with("/bad") => status(410),
        path if path.starts_with("/api/") => hub(&names, path).unwrap(),
        _ => Act::Hang(Vec::new()),
    })
    .await;
    let mut fixture = Fixture::new();
    fixture.settings.hub.endpoint = server.url.join("/").unwrap();
    let volumes = vec![at("other", file(&server, "/z")), at("hub", repository())];
    let error = fixture.fetch(volumes).await.unwrap_err();
    assert!(error.message.starts_with("/volume/hub: `bad`: GET "), "{error}");
    assert_eq!(fixture.files(), []);
}

#[tokio::test]
async fn a_stop_in_the_middle_leaves_nothing() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n";
    let begin = [head.as_bytes(), &vec![7; 2_000_000]].concat();
    let server = Server::of(vec![Act::Hang(begin)]).await;
    let fixture = Fixture::with_cache();
    let volumes = vec![at("a", file(&server, "/x")), at("a/b", file(&server, "/y"))];
    let (fetched, ()) = tokio::join!(fixture.fetch(volumes.clone()), async {
        server.arrived(1).await;
        fixture.control.stop.cancel();
    });
    assert_eq!(fetched, Err(stopped()));
    assert_eq!(fixture.files(), []);
    assert_eq!(fs::read_dir(fixture.folder.path().join("cache/partial")).unwrap().count(), 0);
    // The same when it is dropped.
    let fixture = Fixture::new();
    tokio::select! {
        biased;
        _ = fixture.fetch(volumes) => panic!("the server does not answer"),
        () = server.arrived(2) => {}
    }
    assert_eq!(fixture.files(), []);
}

#[tokio::test]
async fn too_much_in_all() {
    let server = echo().await;
    let mut fixture = Fixture::new();
    fixture.settings.max_total_bytes = 10;
    let two = ["a", "b"].map(|path| at(path, file(&server, "/four")));
    fixture.fetch(two.clone().into()).await.unwrap();
    let mut volumes = two.to_vec();
    volumes.push(at("c", inline(&[("c", "hello")])));
    let error = fixture.fetch(volumes).await.unwrap_err();
    assert_eq!(error.kind, FailureKind::DownloadFailed);
}
