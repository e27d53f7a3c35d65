//! What is understood as which place, what is refused, and what is never shown.

use proptest::prelude::*;

use super::*;

/// The kind and what is shown, or what is wrong.
fn described(text: &str) -> Result<String, String> {
    let spec: SinkSpec = text.parse().map_err(|error: SinkSpecError| error.to_string())?;
    let kind = match spec.kind() {
        SinkKind::Directory(_) => "directory",
        SinkKind::ObjectStore(_) => "store",
        SinkKind::File { to, .. } if *to.method() == UploadMethod::Put => "put",
        SinkKind::File { .. } => "post",
        SinkKind::Zip(ZipTarget::File(_)) => "zip file",
        SinkKind::Zip(ZipTarget::ObjectStore(_)) => "zip store",
        SinkKind::Zip(ZipTarget::Upload(_)) => "zip upload",
        SinkKind::StatusUrl(_) => "status",
        SinkKind::Files(_) => "files",
        SinkKind::SystemOutput { .. } => "system output",
    };
    Ok(format!("{kind} {spec}"))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(described(text).as_deref(), Ok(expected), "{text}");
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let problem = described(text).expect_err(text);
    assert!(problem.contains(expected), "{text}: {problem}");
}

/// Paths need not be UTF-8, URLs and JSON are.
#[test]
fn places_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    let check = |bytes: &[u8], expected: &str| {
        let spec = SinkSpec::from_os(std::ffi::OsStr::from_bytes(bytes)).unwrap();
        assert_eq!(spec, expected.parse().unwrap(), "{expected}");
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<SinkSpec>(&json).unwrap(), spec, "{json}");
    };
    check(b"u-\xff", "file:u-%FF");
    check(b"/a=b/\xff/", "file:///a=b/%FF/");
    check(b"{job}/\xff", "file:{job}/%FF");
    check(b"\xff.ZIP", "zip+file:%FF.ZIP");
    check(b"zip+\xff", "zip+file:%FF");
    check(b"s3://bucket/x", "s3://bucket/x");
    for bytes in [
        &b"s3://bucket/\xff"[..],
        b"a=https://h/\xff",
        b"file:/\xff",
        b"{\"url\": \"\xff\"}",
        b"{jop}/\xff",
        b"\xff\0",
    ] {
        let refused = SinkSpec::from_os(std::ffi::OsStr::from_bytes(bytes));
        assert!(refused.is_err(), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn places() {
    for (text, expected) in [
        ("out", "directory out"),
        (".", "directory ."),
        ("a=b/c", "directory a=b/c"),
        ("two\nlines", "directory two\\nlines"),
        ("x.zip/", "directory x.zip/"),
        ("file:///x.zip", "directory /x.zip"),
        ("file://localhost/a%20b", "directory /a b"),
        ("file:a/b", "directory a/b"),
        ("{run_id}/x", "directory {run_id}/x"),
        ("s3://bucket", "store s3://bucket"),
        ("gs://bucket/a/{job}", "store gs://bucket/a/{job}"),
        ("az://box/x.zip/", "store az://box/x.zip/"),
        ("model.bin=https://h/m?a=b", "put model.bin=https://h/m?…"),
        ("a=b=HTTP://h", "put a=b=HTTP://h"),
        ("a=https://h/?to=https://other", "put a=https://h/?…"),
        ("out.ZIP", "zip file out.ZIP"),
        ("zip+out", "zip file out"),
        ("zip+file:///x.zip", "zip file /x.zip"),
        ("zip+s3://b/k.zip", "zip store zip+s3://b/k.zip"),
        ("zip+https://h/k?x=https://y", "zip upload zip+https://h/k?…"),
        ("a=http://[::1]:80/x", "put a=http://[::1]:80/x"),
    ] {
        check(text, expected);
    }
}

#[test]
fn places_that_are_none() {
    for (text, expected) in [
        ("", "write `.` for this directory"),
        ("https://h/p?x=https://y", "write `FILE=URL`"),
        ("ftp://h/x", "nothing can be sent to `ftp://`"),
        ("htps://h/x", "did you mean `https://`?"),
        ("a=s3://b/k", "only `https://` URLs take one file"),
        ("../a=https://h", "`../a` is not a relative path"),
        (".=https://h", "one output file"),
        ("s3:///x", "needs a bucket"),
        ("s3://k:s@b/x", "credentials and settings"),
        ("s3://b/x?y", "credentials and settings"),
        ("s3://b/a/%2e%2E/b", "`.` or `..`"),
        ("s3://b//a", "empty"),
        ("s3://b/k.zip", "write `zip+s3://b/k.zip`"),
        ("zip+s3://b", "needs the name of the zip file"),
        ("a=https://", "needs a host"),
        ("a=https://h:x", "needs a host"),
        ("a=https://h:70000", "needs a host"),
        ("a=https://u:p\\@h", "backslashes"),
        ("a=https://h/a b", "no white space"),
        ("file://host/x", "a path on this machine"),
        ("file:///x?y", "%3F"),
        ("file:///%00", "zero byte"),
        ("out/{runid}", "`{runid}` stands for nothing"),
    ] {
        refused(text, expected);
    }
}

#[test]
fn json() {
    for (text, expected) in [
        (r#"{"url": "out"}"#, "directory out"),
        (r#"{"url":"https://h/m?s","file":"a/b"}"#, "put a/b=https://h/m?…"),
        (r#"{"url":"https://h/","file":"a","method":"POST"}"#, "post a=https://h/"),
        (r#"{"url":"https://h/","file":"a","fields":{"k":"v"}}"#, "post a=https://h/"),
        (
            r#"{"url":"https://h/","file":{"path":"%FF","path_encoding":"percent"}}"#,
            "put %FF=https://h/",
        ),
        (r#"{"url":"zip+https://h/","headers":{"x-a":"b"}}"#, "zip upload zip+https://h/"),
        (r#"{"status_url":"https://h/jobs/7?token=t"}"#, "status https://h/jobs/7?…"),
    ] {
        check(text, expected);
    }
    for (text, expected) in [
        ("{", "not JSON: "),
        ("{}", "`url` is missing"),
        (r#"{"url":"out","metod":"PUT"}"#, "unknown key `metod`, did you mean `method`?"),
        (r#"{"url":"out","headers":{}}"#, "`headers` goes with an `https://` URL only"),
        (r#"{"url":"https://h/"}"#, "takes one file"),
        (r#"{"url":"https://h/","file":"a","method":"GET"}"#, "`method` is"),
        (r#"{"url":"https://h/","file":"a","headers":{"x":1}}"#, "`headers.x` is not a text"),
        (r#"{"url":"https://h/","file":"a","headers":{"x":"a\r\nb"}}"#, "`x` is not one line"),
        (r#"{"url":"https://h/","file":"a","headers":{"x y":""}}"#, "`x y` is not the name"),
        (r#"{"url":"https://h/","file":"a","method":"PUT","fields":{}}"#, "`POST` only"),
        (r#"{"url":"zip+https://h/","file":"a"}"#, "give one of both"),
        (r#"{"status_url":"https://h/","file":"a"}"#, "stands alone"),
        (r#"{"url":"https://h/","file":"a","fields":{"file":"x"}}"#, "the form field `file`"),
        (
            r#"{"url":"https://h/","file":"a","method":"POST","headers":{"Content-Type":"x"}}"#,
            "the header `content-type` of a form",
        ),
    ] {
        refused(text, expected);
    }
}

#[test]
fn declared_output_volumes() {
    let files = concat!(
        r#"{"files":[{"file":"a/b","url":"https://h/1?s","headers":{"x":"y"}},"#,
        r#"{"file":"a/b","url":"https://h/2","method":"POST","fields":{"k":"v"}}]}"#,
    );
    let zip = r#"{"system_output":{"url":"https://h/z?s"},"except":["a/b"]}"#;
    let shown = [(files, "files the output volumes"), (zip, "system output system_output=")];
    for (text, expected) in shown {
        assert!(described(text).unwrap().starts_with(expected), "{text}");
        let spec: SinkSpec = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&spec).unwrap(), text);
        assert!(spec.is_declared());
    }
    for (text, expected) in [
        (r#"{"files":{}}"#, "`files` is a list"),
        (r#"{"files":[7]}"#, "`files[0]`: not an object"),
        (r#"{"files":[{"url":"https://h/"}]}"#, "`files[0].file` is missing"),
        (r#"{"files":[{"file":"../a","url":"https://h/"}]}"#, "`files[0].file`: `../a` has"),
        (r#"{"files":[{"file":"a","url":"out"}]}"#, "`files[0]`: an HTTP URL begins with"),
        (r#"{"files":[{"file":"a","url":"https://h/","metod":"PUT"}]}"#, "did you mean `method`"),
        (r#"{"files":[],"url":"out"}"#, "stand alone"),
        (r#"{"files":[],"except":[]}"#, "goes with `system_output` only"),
        (r#"{"except":[]}"#, "give one of `files` and `system_output`"),
        (r#"{"system_output":{"url":"https://h/","file":"a"}}"#, "`file` has no place here"),
        (r#"{"system_output":{"url":"https://h/"},"except":["/a"]}"#, "`except[0]`: `/a` begins"),
        (
            r#"{"system_output":{"url":"https://h/","method":"PUT","fields":{}}}"#,
            "`system_output`: `fields` goes with the method `POST` only",
        ),
    ] {
        refused(text, expected);
    }
}

#[test]
fn all_that_is_wrong_is_reported_at_once() {
    let text = r#"{"url":"out","colour":"x","method":"PUT","fields":7}"#;
    let error = text.parse::<SinkSpec>().unwrap_err();
    let begins = ["unknown key `colour`", "`fields` is an object", "`method` goes with"];
    assert_eq!(error.problems.len(), begins.len(), "{error}");
    assert!(error.problems.iter().zip(begins).all(|(found, begin)| found.starts_with(begin)));
}

#[test]
fn json_form_is_complete_and_in_order() {
    let text = concat!(
        r#"{"url":"https://u:p@h/k?s=1","file":"a","method":"POST","#,
        r#""fields":{"z":"1","a":"2"},"headers":{"x-b":"1","x-a":"2"}}"#,
    );
    let spec: SinkSpec = text.parse().unwrap();
    assert_eq!(serde_json::to_string(&spec).unwrap(), text);
}

#[test]
fn placeholders() {
    let (run_id, job) =
        (RunId::from_bytes([7; 16]), Target::Job(crate::JobName::new("a?{run_id}").unwrap()));
    let filled = |text: &str| text.parse::<SinkSpec>().unwrap().for_run(run_id, &job).to_string();
    assert_eq!(filled("x/{job}"), "x/a?{run_id}");
    assert_eq!(filled("s3://b/{job}/{run_id}"), format!("s3://b/a%3F%7Brun_id%7D/{run_id}"));
    assert_eq!(filled("a=https://h/{job}"), "a=https://h/{job}");
    assert!(filled("{run_id}.zip").starts_with("07070707-"));
}

#[track_caller]
fn check_round_trip(spec: &SinkSpec) -> Result<(), TestCaseError> {
    let text = serde_json::to_string(spec).unwrap();
    prop_assert_eq!(&serde_json::from_str::<SinkSpec>(&text).unwrap(), spec);
    Ok(())
}

/// Texts that are nearly URLs, which any text is not.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z{}./%?#@:=&\\\\ ]{0,6}",
        Just("zip+".to_owned()),
        Just("https://".to_owned()),
        Just("s3://".to_owned()),
        Just("file:".to_owned()),
        Just("=http://".to_owned()),
        Just("{\"url\":\"".to_owned()),
        Just("\"}".to_owned()),
        "\\PC{0,4}",
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn uploads() -> impl Strategy<Value = Upload> {
    let pairs = || proptest::collection::btree_map("x-[a-z]{1,4}", "SECRET[ -~é]{0,8}", 0..3);
    let url = "https://u:SECRET@h/[a-z]{0,5}\\?s=SECRET";
    (url, proptest::option::of(pairs()), pairs()).prop_map(|(url, fields, headers)| {
        let (url, headers) = (HttpUrl::new(&url).unwrap(), headers.into_iter().collect());
        match fields {
            Some(fields) => Upload::post(url, fields.into_iter().collect(), headers).unwrap(),
            None => Upload::put(url, headers).unwrap(),
        }
    })
}

fn paths() -> impl Strategy<Value = RelativePath> {
    "[a-z=.{ é]{0,4}[a-z](/[a-z ]{1,4}){0,2}".prop_map(|path| RelativePath::new(&path).unwrap())
}

fn declared() -> impl Strategy<Value = SinkSpec> {
    let file = (paths(), uploads());
    let except = proptest::collection::vec(paths(), 0..4);
    prop_oneof![
        proptest::collection::vec(file, 0..4).prop_map(SinkSpec::files),
        (uploads(), except).prop_map(|(to, except)| SinkSpec::system_output(to, except)),
    ]
}

/// What looks like the host of a URL is a part of the path.
#[test]
fn directories_with_several_slashes_are_read_back() {
    for path in ["/", "//", "///", "//backup/x", "//localhost/x", "///localhost", "/localhost/x"] {
        let spec: SinkSpec = path.parse().unwrap();
        assert!(matches!(spec.kind(), SinkKind::Directory(read) if read.as_os_str() == path));
        check_round_trip(&spec).unwrap();
    }
}

proptest! {
    #[test]
    fn declared_volumes_are_read_back_and_keep_their_secrets(spec in declared()) {
        check_round_trip(&spec)?;
        let shown = format!("{spec} {spec:?}");
        prop_assert!(!shown.contains("SECRET"), "{}", shown);
    }

    #[test]
    fn no_text_panics_and_each_place_is_read_back(text in nearly()) {
        if let Ok(spec) = text.parse::<SinkSpec>() {
            check_round_trip(&spec)?;
            let _ = (spec.to_string(), format!("{spec:?}"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn directories_of_any_bytes_are_read_back(bytes in proptest::collection::vec(1_u8.., 1..20)) {
        check_round_trip(&SinkSpec::directory(url::path_of(bytes).unwrap()))?;
    }

    /// The secrets are `SECRET` among other characters, in each place where there may be some.
    #[test]
    fn secrets_are_never_shown(
        before in "[!-~]{0,5}",
        after in "[!-~]{0,5}",
        prefix in "(a=|zip\\+|)",
        place in 0..3,
    ) {
        let secret = format!("{before}SECRET{after}");
        // What ends the part of a URL that the secret is in would put the rest of it elsewhere.
        let user = secret.replace(['/', '?', '#', '\\'], "");
        let url = match place {
            0 => format!("{prefix}https://{user}@h/p"),
            1 => format!("{prefix}https://h/p?{secret}"),
            _ => format!("{prefix}https://h/p#{secret}"),
        };
        let shown = match url.parse::<SinkSpec>() {
            Ok(spec) => format!("{spec} {spec:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains("SECRET"), "{}", shown);
        let shown = match SinkSpec::status_url(&url) {
            Ok(spec) => format!("{spec} {spec:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains("SECRET"), "{}", shown);
    }

    #[test]
    fn secrets_in_json_are_never_shown(key in "(fields|headers|method|url|file|status_url)", shape in 0..4) {
        let value = match shape {
            0 => r#""SECRET""#,
            1 => r#"{"x":"SECRET"}"#,
            2 => r#"{"x":{"y":"SECRET"}}"#,
            _ => r#"["SECRET"]"#,
        };
        // A directory, a file and the path of a URL are no secrets.
        prop_assume!(shape > 0 || !["url", "file"].contains(&key.as_str()));
        let text = format!(r#"{{"url":"https://h/","file":"a","{key}":{value}}}"#);
        let shown = match text.parse::<SinkSpec>() {
            Ok(spec) => format!("{spec} {spec:?}"),
            Err(error) => format!("{error} {error:?}"),
        };
        prop_assert!(!shown.contains("SECRET"), "{}", shown);
        for declared in [format!(r#"{{"files":[{text}]}}"#), format!(r#"{{"system_output":{text}}}"#)] {
            let shown = format!("{:?}", declared.parse::<SinkSpec>());
            // The name of a file is no secret.
            prop_assert!(key == "file" || !shown.contains("SECRET"), "{}", shown);
        }
        let read = serde_json::from_str::<SinkSpec>(&text).map_err(|error| error.to_string());
        let shown = format!("{read:?}");
        prop_assert!(!shown.contains("SECRET"), "{}", shown);
    }
}
