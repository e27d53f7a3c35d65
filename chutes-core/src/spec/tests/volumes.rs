//! Volumes: their places, their kinds, and what is in the way of what.

use serde_json::{Value, json};

use super::super::*;
use super::{check, image, problems};
use crate::{HttpUrl, Upload};

fn file() -> Value {
    json!({ "type": "http", "url": "https://e.test/x" })
}

fn zip() -> Value {
    json!({ "type": "zip_url", "url": "https://e.test/x.zip" })
}

fn put() -> Value {
    json!({ "type": "http_put", "url": "https://e.test/x" })
}

fn zip_put() -> Value {
    json!({ "type": "zip_put", "url": "https://e.test/x" })
}

#[test]
fn inputs() {
    for (inputs, expected) in [
        (json!({ "/volume": zip(), "/volume/": [zip(), zip()], "/volume/a": file() }), &[][..]),
        (json!({ "/volume/a/b": file(), "/volume/a": zip(), "/volume/ab": file() }), &[]),
        (json!({ "/volume": file() }), &[r#"$.input_volumes["/volume"]"#]),
        (json!({ "/volumes/a": file() }), &[r#"$.input_volumes["/volumes/a"]"#]),
        (
            json!({ "/output/a": file(), "a": file() }),
            &[r#"$.input_volumes["/output/a"]"#, "$.input_volumes.a"],
        ),
        (
            json!({ "/volume/a": file(), "/volume/a/b": file() }),
            &[r#"$.input_volumes["/volume/a/b"]"#],
        ),
        (
            json!({ "/volume/a/b/c": zip(), "/volume/a": file() }),
            &[r#"$.input_volumes["/volume/a"]"#],
        ),
        (json!({ "/volume/a": [file(), file()] }), &[r#"$.input_volumes["/volume/a"][1]"#]),
        (json!({ "/volume/a": [zip(), file()] }), &[r#"$.input_volumes["/volume/a"][1]"#]),
        (json!({ "/volume/a": { "type": "htpp" } }), &[r#"$.input_volumes["/volume/a"].type"#]),
        (json!({ "/volume/a": {} }), &[r#"$.input_volumes["/volume/a"].type"#]),
        (json!({ "/volume/a": "https://e.test" }), &[r#"$.input_volumes["/volume/a"]"#]),
        (
            json!({ "/volume/a": { "type": "http", "url": "ftp://e.test", "sha256": "e3" } }),
            &[r#"$.input_volumes["/volume/a"].sha256"#, r#"$.input_volumes["/volume/a"].url"#],
        ),
        (
            json!({ "/volume/a": { "type": "inline", "url": "https://e.test" } }),
            &[r#"$.input_volumes["/volume/a"].url"#, r#"$.input_volumes["/volume/a"].contents"#],
        ),
        (json!([]), &["$.input_volumes"]),
    ] {
        check(&json!({ "input_volumes": inputs }), expected);
    }
}

#[test]
fn hub_repositories() {
    let at = |key: &str| format!(r#"$.input_volumes["/volume/m"].{key}"#);
    for (key, value, path) in [
        ("repo_id", json!("../b"), "repo_id"),
        ("repo_id", json!(1), "repo_id"),
        ("repo_type", json!("modell"), "repo_type"),
        ("revision", json!("a/../b"), "revision"),
        ("revision", json!(""), "revision"),
        ("allow_patterns", json!(["*.json", "../*"]), "allow_patterns[1]"),
        ("allow_patterns", json!("/etc/*"), "allow_patterns[0]"),
        ("allow_patterns", json!([1]), "allow_patterns[0]"),
        ("allow_patterns", json!(1), "allow_patterns"),
        ("token", json!("a b"), "token"),
        ("token", json!(""), "token"),
        ("token", json!("hf_é"), "token"),
        ("tokne", json!("a"), "tokne"),
    ] {
        let mut hub = json!({ "type": "huggingface", "repo_id": "a/b", "revision": "refs/pr/1" });
        hub[key] = value;
        check(&json!({ "input_volumes": { "/volume/m": hub } }), &[&at(path)]);
    }
}

#[test]
fn outputs() {
    for (outputs, expected) in [
        (
            json!({ "/output/a": [put(), put()], "/output/b/c": put(), "/output/": zip_put() }),
            &[][..],
        ),
        (json!({ "/output": zip_put() }), &[]),
        (json!({ "/output": put() }), &[r#"$.output_volumes["/output"]"#]),
        (json!({ "/output/a": zip_put() }), &[r#"$.output_volumes["/output/a"]"#]),
        (
            json!({ "/output": zip_put(), "/output/": zip_put() }),
            &[r#"$.output_volumes["/output/"]"#],
        ),
        (
            json!({ "/output/a": put(), "/output/a/b": put() }),
            &[r#"$.output_volumes["/output/a/b"]"#],
        ),
        (json!({ "/volume/a": put() }), &[r#"$.output_volumes["/volume/a"]"#]),
        (
            json!({ "/output/a": { "type": "http_put", "url": "https://e.test", "form_fields": {} } }),
            &[r#"$.output_volumes["/output/a"].form_fields"#],
        ),
        (
            json!({ "/output/a": { "type": "http_post", "url": "x", "form_fields": { "k": 1 } } }),
            &[
                r#"$.output_volumes["/output/a"].form_fields.k"#,
                r#"$.output_volumes["/output/a"].url"#,
            ],
        ),
        (
            json!({ "/output/a": {
                "type": "http_put", "url": "https://e.test", "signed_headers": { "a b": "c" },
            }}),
            &[r#"$.output_volumes["/output/a"].signed_headers["a b"]"#],
        ),
        (
            json!({ "/output/a": {
                "type": "http_put", "url": "https://e.test",
                "signed_headers": { "Content-Length": "3", "x-a": "1", "x-b": "1\n2" },
            }}),
            &[
                r#"$.output_volumes["/output/a"].signed_headers["Content-Length"]"#,
                r#"$.output_volumes["/output/a"].signed_headers["x-b"]"#,
            ],
        ),
        (
            json!({ "/output/a": [{
                "type": "http_post", "url": "https://e.test",
                "signed_headers": { "content-type": "text/plain" }, "form_fields": { "file": "x" },
            }]}),
            &[
                r#"$.output_volumes["/output/a"][0].signed_headers["content-type"]"#,
                r#"$.output_volumes["/output/a"][0].form_fields.file"#,
            ],
        ),
    ] {
        check(&json!({ "output_volumes": outputs }), expected);
    }
}

/// Spellings that would lead out of a directory, or are not the one that a path has.
const NASTY_PATHS: [&str; 15] = [
    "..",
    ".",
    "../x",
    "a/../../x",
    "/etc/passwd",
    "//x",
    "a//b",
    "a/./b",
    "a/",
    "./a",
    "a\\b",
    "a\0b",
    "~/../x/..",
    "a/..",
    "..\\x",
];

#[test]
fn nasty_paths_are_refused_everywhere() {
    let long = "a/".repeat(3_000) + "a";
    for path in NASTY_PATHS.into_iter().chain([long.as_str()]) {
        let (input, output) = (format!("/volume/{path}"), format!("/output/{path}"));
        for volume in [
            file(),
            zip(),
            json!({ "type": "inline", "contents": "UEsFBg==" }),
            json!({ "type": "huggingface", "repo_id": "a/b" }),
        ] {
            let text = image(&json!({ "input_volumes": { input.as_str(): volume } }));
            assert_eq!(problems(&text).len(), 1, "{input}");
        }
        let text = image(&json!({ "output_volumes": { output.as_str(): put() } }));
        assert_eq!(problems(&text).len(), 1, "{output}");
        let text = image(&json!({ "output_volumes": { output.as_str(): zip_put() } }));
        assert!(!problems(&text).is_empty(), "{output}");
        let built = JobSpec::builder(ImageName::new("alpine").unwrap())
            .input(&input, InputVolume::model("a/b"))
            .output(&output, Upload::put(HttpUrl::new("https://e.test").unwrap(), vec![]).unwrap())
            .build();
        assert_eq!(built.unwrap_err().problems.len(), 2, "{path}");
    }
}

#[test]
fn many_volumes_and_long_words_take_no_time() {
    let deep = |index: usize| format!("/volume/{}{index}", "a/".repeat(50));
    let many: serde_json::Map<_, _> = (0..5_000).map(|index| (deep(index), file())).collect();
    check(&json!({ "input_volumes": many }), &[]);
    let long = "x".repeat(1_000_000);
    assert_eq!(problems(&image(&json!({ long.as_str(): 1, "env": { "A": long } }))).len(), 1);
}
