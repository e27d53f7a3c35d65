//! Input volumes: what is at `/volume` when the container starts, and what prevents its start.

mod refused;

use chutes_test_support::servers::inputs::{InputServer, Served};
use serde_json::{Value, json};

use crate::stage::{Stage, inline, noise, shell, with, zip};

/// Prints all files below `/volume` with their content.
const SHOW: &str =
    "cd /volume; find . -type f | sort | while read f; do echo \"$f $(cat \"$f\")\"; done";

/// Runs a spec with these volumes, and checks what the container finds.
#[expect(clippy::needless_pass_by_value, reason = "it is made where this is called")]
#[track_caller]
fn check(volumes: Value, expected: &str) {
    let stage = Stage::new();
    stage.complete(&with(shell(SHOW), json!({"input_volumes": volumes})));
    assert_eq!(stage.text("logs/stdout.log"), expected);
}

/// Fetches a file, and checks that it arrives byte by byte. Returns the server.
#[track_caller]
fn fetched(manners: impl FnOnce(Served) -> Served, bytes: usize) -> InputServer {
    let content = noise(bytes, 7);
    let server = InputServer::start([("/file", manners(Served::new(content.clone())))]);
    let volume = json!({"type": "http", "url": server.url("/file")});
    let stage = Stage::new();
    let spec =
        with(shell("cp /volume/a /output/a"), json!({"input_volumes": {"/volume/a": volume}}));
    stage.complete(&spec);
    assert!(stage.read("outputs/a") == content, "other bytes");
    server
}

#[test]
fn inline_zip_into_the_root() {
    check(json!({"/volume/": inline(&[("a", b"1"), ("b/c", b"2")])}), "./a 1\n./b/c 2\n");
}

#[test]
fn inline_zip_into_a_folder() {
    check(json!({"/volume/x/y": inline(&[("a", b"1")])}), "./x/y/a 1\n");
}

#[test]
fn no_volumes() {
    check(json!({}), "");
    let stage = Stage::new();
    stage.complete(&shell(SHOW));
    assert_eq!(stage.text("logs/stdout.log"), "");
}

#[test]
fn several_in_one_place_lie_over_each_other() {
    let volumes = [inline(&[("a", b"1"), ("b", b"1")]), inline(&[("b", b"2"), ("c", b"2")])];
    check(json!({"/volume": volumes}), "./a 1\n./b 2\n./c 2\n");
}

#[test]
fn zip_from_a_server() {
    let archive = zip(&[("a", b"1"), ("b/c", b"2")]);
    let server = InputServer::start([
        ("/known", Served::new(archive.clone())),
        ("/unknown", Served::new(archive).without_length()),
    ]);
    let [known, unknown] =
        ["/known", "/unknown"].map(|path| json!({"type": "zip_url", "url": server.url(path)}));
    check(json!({"/volume/": known}), "./a 1\n./b/c 2\n");
    check(json!({"/volume/x": unknown}), "./x/a 1\n./x/b/c 2\n");
}

#[test]
fn large_zip_from_a_server() {
    let content = noise(20_000_000, 3);
    let archive = zip(&[("large.bin", &content)]);
    let server = InputServer::start([("/zip", Served::new(archive))]);
    let stage = Stage::new();
    let volumes = json!({"/volume": {"type": "zip_url", "url": server.url("/zip")}});
    let spec = with(shell("cp /volume/large.bin /output"), json!({"input_volumes": volumes}));
    stage.complete(&spec);
    assert!(stage.read("outputs/large.bin") == content, "other bytes");
}

#[test]
fn all_kinds_side_by_side() {
    let server = InputServer::start([
        ("/zip", Served::new(zip(&[("a", b"1")]))),
        ("/file", Served::new(*b"2")),
    ]);
    check(
        json!({
            "/volume/zip": {"type": "zip_url", "url": server.url("/zip")},
            "/volume/files/b": {"type": "http", "url": server.url("/file")},
            "/volume/inline": inline(&[("c", b"3")]),
        }),
        "./files/b 2\n./inline/c 3\n./zip/a 1\n",
    );
}

#[test]
fn a_large_file() {
    let server = fetched(|file| file, 50_000_000);
    assert_eq!(server.count("/file"), 1);
}

#[test]
fn a_file_without_a_length() {
    fetched(Served::without_length, 5_000_000);
}

#[test]
fn an_empty_file() {
    fetched(|file| file, 0);
}

/// Bytes that have come are not fetched again.
#[test]
fn a_connection_that_breaks_is_continued() {
    let server = fetched(|file| file.breaking_after(3_000_000), 5_000_000);
    let requests = server.requests();
    let ranges: Vec<_> = requests.iter().map(|request| request.header("range")).collect();
    let continued = ranges.last().unwrap().unwrap().strip_prefix("bytes=").unwrap();
    let start: usize = continued.split('-').next().unwrap().parse().unwrap();
    assert!((1..=3_000_000).contains(&start), "{ranges:?}");
}

/// A server without ranges sends everything again, and no byte is there twice.
#[test]
fn a_connection_that_breaks_is_begun_again() {
    let server = fetched(|file| file.breaking_after(3_000_000).without_ranges(), 5_000_000);
    assert_eq!(server.count("/file"), 2);
}

#[test]
fn a_body_of_unknown_length_that_breaks_is_no_whole_file() {
    fetched(|file| file.breaking_after(3_000_000).without_length(), 5_000_000);
}

#[test]
fn faults_of_the_server_pass() {
    for status in [500, 503, 429] {
        let server = fetched(|file| file.refusing(2, status), 1_000);
        assert_eq!(server.count("/file"), 3, "{status}");
    }
}

#[test]
fn redirects_are_followed() {
    let server =
        InputServer::start([("/from", Served::redirecting("/to")), ("/to", Served::new(*b"1"))]);
    check(json!({"/volume/a": {"type": "http", "url": server.url("/from")}}), "./a 1\n");
}

/// All at once would be too many, one after the other too slow.
#[test]
fn files_are_fetched_side_by_side() {
    const COUNT: usize = 40;
    let path = |number: usize| format!("/{number:02}");
    let file = |number: usize| (path(number), Served::new(number.to_string()).waiting_for(3));
    let server = InputServer::of((0..COUNT).map(file));
    let volume = |number: usize| {
        let volume = json!({"type": "http", "url": server.url(&path(number))});
        (format!("/volume{}", path(number)), volume)
    };
    let volumes: serde_json::Map<_, _> = (0..COUNT).map(volume).collect();
    let lines = (0..COUNT).map(|number| format!("./{number:02} {number}\n"));
    let expected = lines.collect::<Vec<_>>().concat();
    check(volumes.into(), &expected);
    let peak = server.peak();
    assert!((3..COUNT).contains(&peak), "{peak} requests at the same time");
}

#[test]
fn content_is_checked_when_its_checksum_is_given() {
    use sha2::{Digest, Sha256};
    let digest = |content: &[u8]| {
        let digest = Sha256::digest(content);
        digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    };
    let server = InputServer::start([("/file", Served::new(*b"1"))]);
    let volume = |sha256| json!({"type": "http", "url": server.url("/file"), "sha256": sha256});
    check(json!({"/volume/a": volume(digest(b"1"))}), "./a 1\n");
    let stage = Stage::new();
    let volumes = json!({"input_volumes": {"/volume/a": volume(digest(b"2"))}});
    let ended = stage.run(&with(shell("true"), volumes));
    let said = ["/volume/a", "checksum"];
    ended.check(1, "failed", chutes::outcome::FailureKind::DownloadFailed, &said);
}
