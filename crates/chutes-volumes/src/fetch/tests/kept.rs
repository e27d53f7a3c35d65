//! What the cache saves, and that it never decides whether a run goes on.

use super::*;

fn checked(server: &Server, path: &str, content: &[u8]) -> InputVolume {
    InputVolume::File { url: url(server, path), sha256: Some(sha256(content)) }
}

#[tokio::test]
async fn a_known_checksum_needs_no_request() {
    let server = echo().await;
    let fixture = Fixture::with_cache();
    let volume = at("a", checked(&server, "/one", b"/one"));
    fixture.fetch(vec![volume.clone()]).await.unwrap();
    assert_eq!(fixture.last_progress("/volume/a"), (4, false, true));
    fixture.fetch(vec![volume]).await.unwrap();
    assert_eq!(fixture.last_progress("/volume/a"), (4, true, true));
    // The same content from elsewhere.
    let elsewhere = at("b", checked(&server, "/elsewhere", b"/one"));
    fixture.fetch(vec![elsewhere]).await.unwrap();
    assert_eq!(server.requests().len(), 1);
    assert_eq!(fixture.files(), files(&[("a", "/one"), ("b", "/one")]));
}

#[tokio::test]
async fn without_a_checksum_the_server_is_asked() {
    let server = Server::of(vec![
        content(b"old", "\"a\""),
        content(b"old", "\"a\""),
        content(b"new", "\"b\""),
        content(b"new", "\"b\""),
    ])
    .await;
    let fixture = Fixture::with_cache();
    let volume = || vec![at("a", file(&server, "/x"))];
    for (expected, is_cached, sent) in
        [("old", false, 3), ("old", true, 3), ("new", false, 6), ("new", true, 6)]
    {
        fixture.fetch(volume()).await.unwrap();
        assert_eq!(fixture.files(), files(&[("a", expected)]));
        assert_eq!(fixture.last_progress("/volume/a"), (3, is_cached, true));
        assert_eq!(server.sent(), sent);
    }
    // What has no tag is fetched each time.
    let server = Server::of(vec![plain(b"one"), plain(b"two")]).await;
    for expected in ["one", "two"] {
        fixture.fetch(vec![at("a", file(&server, "/x"))]).await.unwrap();
        assert_eq!(fixture.files(), files(&[("a", expected)]));
    }
}

#[tokio::test]
async fn files_of_a_commit_need_no_request() {
    let names = ["x", "y"].map(str::to_owned);
    let server = Server::start(move |asked| hub(&names, &asked.path).unwrap()).await;
    let mut fixture = Fixture::with_cache();
    fixture.settings.hub.endpoint = server.url.join("/").unwrap();
    for (requests, is_cached) in [(4, false), (6, true)] {
        fixture.fetch(vec![at("", repository())]).await.unwrap();
        assert_eq!(server.requests().len(), requests);
        assert_eq!(fixture.last_progress("/volume"), (2, is_cached, true));
        assert_eq!(fixture.files(), files(&[("x", "x"), ("y", "y")]));
    }
}

#[tokio::test]
async fn what_is_broken_in_the_cache_is_fetched_again() {
    let server = Server::of(vec![content(b"hello", "\"a\"")]).await;
    let fixture = Fixture::with_cache();
    let text = sha256(b"hello").to_string();
    let object = fixture.folder.path().join("cache/objects").join(&text[..2]).join(&text[2..]);
    for (volume, broken) in [
        (at("a", file(&server, "/x")), "jelly"),
        (at("a", file(&server, "/x")), "hell"),
        (at("a", checked(&server, "/x", b"hello")), "jelly"),
        (at("a", checked(&server, "/x", b"hello")), ""),
    ] {
        fixture.fetch(vec![volume.clone()]).await.unwrap();
        fs::write(&object, broken).unwrap();
        fixture.fetch(vec![volume]).await.unwrap();
        assert_eq!(fixture.last_progress("/volume/a"), (5, false, true));
        assert_eq!(fixture.files(), files(&[("a", "hello")]));
        assert_eq!(fs::read_to_string(&object).unwrap(), "hello");
    }
    assert_eq!(fixture.warnings(), [""; 0]);
}

#[tokio::test]
async fn a_cache_that_cannot_be_used_is_a_warning() {
    let server = echo().await;
    let mut fixture = Fixture::with_cache();
    let in_the_way = fixture.folder.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    fixture.settings.cache = Some(CacheSettings::new(in_the_way.join("cache")));
    fixture.fetch(vec![at("a", file(&server, "/one"))]).await.unwrap();
    assert_eq!(fixture.files(), files(&[("a", "/one")]));
    let warnings = fixture.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("cannot use the cache `"), "{warnings:?}");

    // It was opened, and then its place for a content is taken by something else.
    let fixture = Fixture::with_cache();
    let text = sha256(b"/one").to_string();
    let objects = fixture.folder.path().join("cache/objects");
    fs::create_dir_all(&objects).unwrap();
    fs::write(objects.join(&text[..2]), "").unwrap();
    fixture.fetch(vec![at("a", file(&server, "/one"))]).await.unwrap();
    assert_eq!(fixture.files(), files(&[("a", "/one")]));
    let warnings = fixture.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("cannot keep an input in the cache: "), "{warnings:?}");
}

#[tokio::test]
async fn two_fetches_with_one_cache() {
    let server = Server::start(|_| content(&vec![b'x'; 500_000], "\"a\"")).await;
    let (first, mut second) = (Fixture::with_cache(), Fixture::new());
    second.settings.cache.clone_from(&first.settings.cache);
    let volumes =
        || (0..5).map(|number| at(&number.to_string(), file(&server, &format!("/{}", number % 2))));
    let (a, b) = tokio::join!(first.fetch(volumes().collect()), second.fetch(volumes().collect()));
    a.and(b).unwrap();
    assert_eq!(first.files(), second.files());
    assert_eq!(first.files().len(), 5);
    assert!(first.files().iter().all(|(_, content)| content.len() == 500_000));
    assert_eq!(first.warnings(), [""; 0]);
    assert_eq!(second.warnings(), [""; 0]);
}

/// A file that is torn is never taken from the cache, and neither is one of which only the server's word says
/// that it is whole.
#[tokio::test]
async fn what_was_not_verified_is_not_kept() {
    let unsized_answer =
        |body: &str| Act::Raw(format!("HTTP/1.1 200 OK\r\nETag: \"a\"\r\n\r\n{body}").into_bytes());
    let rest = || {
        let headers = "ETag: \"a\"\r\nContent-Range: bytes 3-4/5\r\n";
        Act::Answer(200, headers.into(), b"lo".into())
    };
    for act in [unsized_answer("hel"), rest()] {
        let torn = Server::of(vec![act.clone(), act.clone(), act.clone(), act]).await;
        let fixture = Fixture::with_cache();
        let fetched = fixture.fetch(vec![at("a", file(&torn, "/x"))]).await;
        assert!(fetched.is_err() || fixture.files() == files(&[("a", "hel")]));
        let kept = fixture.folder.path().join("cache/keys");
        assert_eq!(fs::read_dir(kept).unwrap().count(), 0);
        let is_other = |warning: &String| !warning.contains("another part");
        assert!(!fixture.warnings().iter().any(is_other), "{:?}", fixture.warnings());
    }
}
