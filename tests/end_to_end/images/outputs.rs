//! Output volumes: the requests to a server when the container has ended, and the outcome when a file
//! does not arrive.

use chutes::outcome::FailureKind;
use chutes::sink::DeliveryState;
use chutes_test_support::finish;
use chutes_test_support::servers::form;
use chutes_test_support::servers::http::{Act, HttpServer, Request, answer, status};
use serde_json::{Value, json};

use crate::stage::{Ended, Stage, shell, unzip, with};

const WRITE: &str = "printf one > /output/a; mkdir /output/d; printf two > /output/d/b; \
    echo printed; echo told >&2";

/// Runs a script with these output volumes.
#[expect(clippy::needless_pass_by_value, reason = "it is made where this is called")]
#[track_caller]
fn run(script: &str, volumes: Value) -> (Stage, Ended) {
    let stage = Stage::new();
    let ended = stage.run(&with(shell(script), json!({"output_volumes": volumes})));
    (stage, ended)
}

/// The same; the run has to complete.
#[track_caller]
fn complete(script: &str, volumes: Value) -> Ended {
    let (_stage, ended) = run(script, volumes);
    assert_eq!(ended.finished.code, Some(0), "{ended:#?}");
    ended
}

/// Checks that everything is kept, whatever the result of the upload.
#[track_caller]
fn check_kept(stage: &Stage) {
    let found = ["outputs/a", "outputs/d/b", "logs/stdout.log", "logs/stderr.log"];
    assert_eq!(found.map(|name| stage.text(name)), ["one", "two", "printed\n", "told\n"]);
}

#[track_caller]
fn only(server: &HttpServer) -> Request {
    let [request] = &server.requests()[..] else {
        panic!("not one request: {:#?}", server.requests());
    };
    assert!(request.is_whole);
    request.clone()
}

/// The members of a zip file as text.
#[track_caller]
fn members(bytes: &[u8]) -> Vec<(String, String)> {
    let text = |content| String::from_utf8(content).unwrap();
    unzip(bytes).into_iter().map(|(name, content)| (name, text(content))).collect()
}

fn owned(members: &[(&str, &str)]) -> Vec<(String, String)> {
    members.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
}

const ALL: [(&str, &str); 4] =
    [("a", "one"), ("d/b", "two"), ("stderr.txt", "told\n"), ("stdout.txt", "printed\n")];

#[test]
fn zip_by_put() {
    let server = HttpServer::of([]);
    complete(WRITE, json!({"/output/": {"type": "zip_put", "url": server.url("/z?s=1")}}));
    let request = only(&server);
    assert_eq!((&*request.method, &*request.target), ("PUT", "/z?s=1"));
    assert_eq!(members(&request.body), owned(&ALL));
}

#[test]
fn zip_by_post() {
    let server = HttpServer::of([]);
    let fields = json!({"key": "K", "policy": "P"});
    let volume = json!({"type": "zip_post", "url": server.url("/z"), "form_fields": fields});
    complete(WRITE, json!({"/output": volume}));
    let parts = form::parts(&only(&server));
    let fields = [("key", "K"), ("policy", "P")];
    for (part, (name, value)) in parts.iter().zip(fields) {
        assert_eq!((&*part.name, &*part.content), (name, value.as_bytes()));
    }
    let [_, _, file] = &parts[..] else { panic!("{} parts", parts.len()) };
    assert_eq!((&*file.name, file.file_name.as_deref()), ("file", Some("output.zip")));
    assert_eq!(members(&file.content), owned(&ALL));
}

/// The logs are there even when the job wrote no file.
#[test]
fn zip_of_an_empty_directory() {
    for kind in ["zip_put", "zip_post"] {
        let server = HttpServer::of([]);
        complete("true", json!({"/output/": {"type": kind, "url": server.url("/")}}));
        let request = only(&server);
        let zip = match kind {
            "zip_put" => request.body,
            _ => form::parts(&request).pop().unwrap().content,
        };
        assert_eq!(members(&zip), owned(&[("stderr.txt", ""), ("stdout.txt", "")]));
    }
}

#[test]
fn zip_that_is_refused() {
    for kind in ["zip_put", "zip_post"] {
        let server = HttpServer::start(|_| Act::Answer(answer(403, "", "expired")));
        let url = server.url("/zip");
        let (stage, ended) = run(WRITE, json!({"/output/": {"type": kind, "url": url}}));
        ended.check(3, "failed", FailureKind::UploadFailed, &["403", &url]);
        check_kept(&stage);
    }
}

/// The zip file has the files that were not sent individually.
#[test]
fn single_files_and_the_rest_as_a_zip() {
    let [single, zip] = [HttpServer::of([]), HttpServer::of([])];
    complete(
        WRITE,
        json!({
            "/output/a": {"type": "http_put", "url": single.url("/a")},
            "/output/": {"type": "zip_put", "url": zip.url("/z")},
        }),
    );
    assert_eq!(only(&single).body, b"one");
    assert_eq!(members(&only(&zip).body), owned(&ALL[1..]));
}

/// As in ComputeHorde: exactly the logs when all files were sent individually.
#[test]
fn rest_is_what_was_printed() {
    let [single, zip] = [HttpServer::of([]), HttpServer::of([])];
    let volume = json!({"type": "http_put", "url": single.url("/a")});
    let volumes = json!({
        "/output/a": volume, "/output/": {"type": "zip_post", "url": zip.url("/z")},
    });
    complete("printf one > /output/a; echo printed; echo told >&2", volumes);
    let parts = form::parts(&only(&zip));
    assert_eq!(members(&parts.last().unwrap().content), owned(&ALL[2..]));
}

#[test]
fn single_files_without_the_rest() {
    let server = HttpServer::of([]);
    let put = |path| json!({"type": "http_put", "url": server.url(path)});
    complete(WRITE, json!({"/output/a": put("/a"), "/output/d/b": put("/b")}));
    let mut bodies: Vec<_> = server.requests().into_iter().map(|request| request.body).collect();
    bodies.sort();
    assert_eq!(bodies, [b"one", b"two"]);
}

#[test]
fn one_file_to_two_places() {
    let server = HttpServer::of([]);
    let put = |path| json!({"type": "http_put", "url": server.url(path)});
    complete(WRITE, json!({"/output/a": [put("/1"), put("/2")]}));
    let mut targets: Vec<_> = server.requests().into_iter().map(|one| one.target).collect();
    targets.sort();
    assert_eq!(targets, ["/1", "/2"]);
}

#[test]
fn declared_file_that_is_missing() {
    let server = HttpServer::of([]);
    let put = |path| json!({"type": "http_put", "url": server.url(path)});
    let volumes = json!({"/output/a": put("/a"), "/output/none.bin": put("/none")});
    let (stage, ended) = run(WRITE, volumes);
    ended.check(3, "failed", FailureKind::UploadFailed, &["none.bin"]);
    // The files that exist are sent nevertheless.
    assert_eq!(only(&server).target, "/a");
    check_kept(&stage);
}

#[test]
fn refusal_is_told_and_the_others_arrive() {
    let server = HttpServer::start(|request| {
        Act::Answer(if request.path() == "/bad" { answer(403, "", "no") } else { status(200) })
    });
    let put = |path| json!({"type": "http_put", "url": server.url(path)});
    let volumes = json!({"/output/a": put("/bad?token=s3cret"), "/output/d/b": put("/good")});
    let (stage, ended) = run(WRITE, volumes);
    let said = ["403", "/bad"];
    let message = ended.check(3, "failed", FailureKind::UploadFailed, &said);
    assert!(!message.contains("s3cret"), "{message}");
    let delivered = ended.outcome.outputs.iter().filter(|file| {
        file.deliveries.iter().any(|one| matches!(one.state, DeliveryState::Delivered))
    });
    let delivered: Vec<_> = delivered.map(|file| file.path.as_str().unwrap()).collect();
    assert_eq!(delivered, ["d/b"], "{ended:#?}");
    check_kept(&stage);
}

/// ComputeHorde asks again after every refusal, three times in all.
#[test]
fn refusals_may_pass() {
    for code in [400, 500] {
        for kind in ["http_put", "http_post"] {
            let acts = [status(code), status(code), answer(200, "ETag: \"x\"\r\n", "taken")];
            let server = HttpServer::of(acts.map(Act::Answer));
            let volume = json!({"type": kind, "url": server.url("/a")});
            let ended = complete(WRITE, json!({"/output/a": volume}));
            let requests = server.requests();
            assert_eq!(requests.len(), 3, "{code} {kind}");
            assert!(requests.iter().all(|request| request.is_whole));
            let [response] = &ended.outcome.sinks[0].responses[..] else { panic!("{ended:#?}") };
            assert_eq!((&*response.file, response.status), ("a", 200));
            assert_eq!(response.body, "taken");
            let etag = ("etag".to_owned(), "\"x\"".to_owned());
            assert!(response.headers.contains(&etag), "{response:?}");
        }
    }
}

/// A redirect is no success, because it does not show that the file has arrived.
#[test]
fn redirects_are_not_followed() {
    let server = HttpServer::start(|request| {
        Act::Answer(match request.path() {
            "/a" => answer(302, "Location: /b\r\n", ""),
            _ => status(200),
        })
    });
    let volume = json!({"type": "http_put", "url": server.url("/a")});
    let (_stage, ended) = run(WRITE, json!({"/output/a": volume}));
    ended.check(3, "failed", FailureKind::UploadFailed, &["302"]);
    assert!(server.requests().iter().all(|request| request.path() == "/a"));
}

/// Nothing is sent to internal addresses, and the container is not started.
#[test]
fn addresses_that_are_not_allowed() {
    for (place, kind) in [("/output/a", "http_put"), ("/output/", "zip_put")] {
        let server = HttpServer::of([]);
        // Linux takes `0.0.0.0` for this machine, so the request would reach the server.
        let url = server.url("/a?s=secret").replace("127.0.0.1", "0.0.0.0");
        let volumes = json!({place: {"type": kind, "url": url}});
        let stage = Stage::new();
        let spec = with(shell(WRITE), json!({"output_volumes": volumes}));
        let refused = finish(stage.command(&spec));
        assert_eq!(refused.code, Some(2), "{refused:#?}");
        assert!(refused.stderr.contains("the address 0.0.0.0 is refused"), "{refused:#?}");
        assert!(!refused.stderr.contains("secret"), "{refused:#?}");
        assert_eq!(server.requests().len(), 0);

        let mut command = stage.command(&spec);
        command.args(["--allow-address", "0.0.0.0/8"]);
        assert_eq!(stage.ended(finish(command)).finished.code, Some(0));
        assert_eq!(only(&server).target, "/a?s=secret");
    }
}

/// Many files are sent concurrently, but never all at once.
#[test]
fn many_files() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static PEAK: AtomicUsize = AtomicUsize::new(0);
    let server = HttpServer::start(|_| {
        // From the head of a request to the end of its body.
        PEAK.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Act::Decide(Box::new(|_| {
            NOW.fetch_sub(1, Ordering::SeqCst);
            Some(status(200))
        }))
    });
    let volume = |number: usize| {
        let url = server.url(&format!("/{number}"));
        (format!("/output/{number}"), json!({"type": "http_put", "url": url}))
    };
    let volumes: serde_json::Map<_, _> = (0..50).map(volume).collect();
    let script = "i=0; while [ $i -lt 50 ]; do echo $i > /output/$i; i=$((i + 1)); done";
    complete(script, volumes.into());
    assert_eq!(server.requests().len(), 50);
    let peak = PEAK.load(Ordering::SeqCst);
    assert!((1..50).contains(&peak), "{peak} requests at the same time");
}
