//! Whole deliveries of declared output volumes to a server on the loopback interface.

use std::sync::Arc;

use chutes_core::{DeliveryState, FileState, HttpUrl, SinkSpec};
use chutes_test_support::servers::upload::{Act, Meeting, Request, Server, answer, answer_with};

use super::*;
use crate::OpenSink;
use crate::delivery::Delivered;
use crate::http::tests::run as summary_of;
use crate::test_run::TestRun;

fn path(path: &str) -> RelativePath {
    RelativePath::new(path).unwrap()
}

fn url(server: &Server, name: &str) -> HttpUrl {
    HttpUrl::new(server.url.join(name).unwrap().as_str()).unwrap()
}

fn put(server: &Server, file: &str) -> (RelativePath, Upload) {
    (path(file), Upload::put(url(server, &format!("/{file}?token=secret")), Vec::new()).unwrap())
}

fn sink(files: &[(RelativePath, Upload)]) -> FilesSink {
    FilesSink::new(SinkSpec::files(files.to_vec()).to_string(), files, &AddressPolicy::default())
        .unwrap()
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What became of the files, in their order.
fn states(delivered: &Delivered) -> Vec<&'static str> {
    delivered.states[0].iter().map(DeliveryState::as_str).collect()
}

fn lines(server: &Server) -> Vec<String> {
    let mut lines: Vec<String> =
        server.requests().into_iter().map(|request| request.line).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn each_file_goes_to_all_of_its_urls_and_nothing_else_goes_anywhere() {
    let server = Server::start(|request: &Request| {
        let name = request.line.split(['/', '?', ' ']).nth(2).unwrap_or_default().to_owned();
        Act::Answer(
            201,
            format!("ETag: \"{name}\"\r\nX-Two: 1\r\nX-Two: 2\r\n"),
            format!("<{name}>"),
        )
    })
    .await;
    let fields = owned(&[("key", "k"), ("policy", "p")]);
    let headers = owned(&[("x-acl", "private")]);
    let form = Upload::post(url(&server, "/form"), fields, headers.clone()).unwrap();
    let signed = Upload::put(url(&server, "/signed"), headers).unwrap();
    let files = [(path("b"), form), (path("a/x"), signed), put(&server, "b")];
    let run = TestRun::new()
        .with("a/x", "one")
        .with("b", "two")
        .with("c", "three")
        .with_log("b", "log")
        .with_artifact("b", "artifact");
    let delivered = run.deliver_to(sink(&files)).await;
    assert_eq!(states(&delivered), ["delivered", "delivered", "skipped", "skipped", "skipped"]);
    let report = &delivered.reports[0];
    assert!(report.is_complete() && report.declared, "{report:?}");
    assert_eq!(
        (report.delivered, report.bytes, report.sink.as_str()),
        (2, 6, "the output volumes")
    );
    assert_eq!(
        lines(&server),
        ["POST /form HTTP/1.1", "PUT /b?token=secret HTTP/1.1", "PUT /signed HTTP/1.1"]
    );
    for request in server.requests() {
        let body = String::from_utf8(request.body.clone()).unwrap();
        match request.line.split(' ').nth(1).unwrap() {
            "/signed" => {
                assert_eq!((request.header("x-acl"), body.as_str()), (Some("private"), "one"));
            }
            "/form" => {
                let at = |text: &str| body.find(text).unwrap_or_else(|| panic!("{text}: {body}"));
                assert!(at("name=\"key\"\r\n\r\nk") < at("name=\"policy\"\r\n\r\np"));
                assert!(at("name=\"policy\"") < at("name=\"file\"; filename=\"b\""));
                assert!(at("filename=\"b\"") < at("two"));
                assert_eq!(request.header("x-acl"), Some("private"));
            }
            _ => assert_eq!((request.header("x-acl"), body.as_str()), (None, "two")),
        }
    }
    // In the order of the files, and for each file in that of its URLs.
    let answers = report.responses.iter().map(|it| (it.file.as_str(), it.body.as_str(), it.status));
    let expected = [("a/x", "<signed>", 201), ("b", "<form>", 201), ("b", "<b>", 201)];
    assert_eq!(answers.collect::<Vec<_>>(), expected);
    let headers =
        owned(&[("content-length", "8"), ("etag", "\"signed\""), ("x-two", "1"), ("x-two", "2")]);
    assert_eq!(report.responses[0].headers, headers);
}

#[tokio::test]
async fn several_files_are_on_their_way_at_a_time_and_not_more() {
    let meeting = Meeting::of(CONCURRENCY);
    let server = Server::of(vec![Act::Meet(meeting.clone())]).await;
    let names: Vec<String> = (0..2 * CONCURRENCY).map(|number| format!("f{number}")).collect();
    let files: Vec<_> = names.iter().map(|name| put(&server, name)).collect();
    let run = names.iter().fold(TestRun::new(), |run, name| run.with(name, name));
    let delivered = run.deliver_to(sink(&files)).await;
    assert_eq!(delivered.reports[0].delivered, names.len() as u64);
    assert_eq!(meeting.most(), CONCURRENCY);
}

#[tokio::test]
async fn a_file_that_one_url_has_is_not_sent_there_again_for_the_other() {
    let server = Server::of(vec![answer_with(200, "1"), answer(500), answer_with(200, "2")]).await;
    let two = Upload::put(url(&server, "/two"), Vec::new()).unwrap();
    let files = [put(&server, "a"), (path("a"), two)];
    let delivered = TestRun::new().with("a", "x").deliver_to(sink(&files)).await;
    assert!(delivered.reports[0].is_complete(), "{delivered:?}");
    assert_eq!(
        lines(&server),
        ["PUT /a?token=secret HTTP/1.1", "PUT /two HTTP/1.1", "PUT /two HTTP/1.1"]
    );
    let bodies = delivered.reports[0].responses.iter().map(|response| response.body.as_str());
    assert_eq!(bodies.collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test]
async fn what_is_refused_is_reported_and_hurts_no_other_file() {
    let server = Server::start(|request: &Request| {
        if request.line.contains("/a?") {
            answer_with(403, "the link is too old, token=secret")
        } else {
            answer(200)
        }
    })
    .await;
    let files = [put(&server, "a"), put(&server, "b")];
    let run = TestRun::new().with("a", "x").with("b", "y");
    let delivered = run.deliver_to(sink(&files)).await;
    assert_eq!(states(&delivered), ["failed", "delivered"]);
    let DeliveryState::Failed { reason } = &delivered.states[0][0] else { unreachable!() };
    let address = server.url.join("/a").unwrap();
    let expected =
        format!("PUT {address} was answered with 403 Forbidden: the link is too old, token=***");
    assert_eq!(*reason, expected);
    let report = &delivered.reports[0];
    assert_eq!((report.failed, report.error.as_deref(), report.responses.len()), (1, None, 1));
}

/// As many attempts as in ComputeHorde; other refusals last from the beginning.
#[tokio::test]
async fn a_bad_request_may_be_transient_twice() {
    for (answers, expected, requests) in [
        (&[400, 400, 200][..], "delivered", 3),
        (&[500, 400, 201], "delivered", 3),
        (&[400, 400, 400, 200], "failed", 3),
        (&[400, 500, 500, 400, 200], "failed", 4),
        (&[400, 403, 200], "failed", 2),
        (&[401, 200], "failed", 1),
        (&[404, 200], "failed", 1),
    ] {
        let server = Server::of(answers.iter().copied().map(answer).collect()).await;
        let delivered = TestRun::new().with("a", "x").deliver_to(sink(&[put(&server, "a")])).await;
        assert_eq!((states(&delivered), server.requests().len()), (vec![expected], requests));
        let expected = format!("400 Bad Request (after {requests} attempts)");
        if let DeliveryState::Failed { reason } = &delivered.states[0][0] {
            assert!(answers[requests - 1] != 400 || reason.ends_with(&expected), "{reason}");
        }
    }
}

/// Each place has attempts of its own, and none is sent a file that it has.
#[tokio::test]
async fn a_bad_request_is_counted_for_each_place() {
    let [first, second] = [
        Server::of(vec![answer(400), answer(400), answer(200)]).await,
        Server::of(vec![answer(400), answer(400), answer(200)]).await,
    ];
    let files = [put(&first, "a"), put(&second, "a")];
    let delivered = TestRun::new().with("a", "x").deliver_to(sink(&files)).await;
    assert_eq!(states(&delivered), ["delivered"]);
    assert_eq!([first, second].map(|server| server.requests().len()), [3, 3]);
}

#[tokio::test]
async fn a_redirect_is_no_success() {
    let act = Act::Answer(307, "Location: /elsewhere\r\n".into(), String::new());
    let server = Server::of(vec![act]).await;
    let delivered = TestRun::new().with("a", "x").deliver_to(sink(&[put(&server, "a")])).await;
    assert_eq!((states(&delivered), server.requests().len()), (vec!["failed"], 1));
}

#[tokio::test]
async fn files_that_are_missing_are_named_with_where_they_go() {
    let server = Server::of(vec![answer(200)]).await;
    let two = Upload::put(url(&server, "/two?token=secret"), Vec::new()).unwrap();
    let files = [put(&server, "there"), put(&server, "a"), put(&server, "b/c"), (path("a"), two)];
    let delivered = TestRun::new().with("there", "x").deliver_to(sink(&files)).await;
    assert_eq!(states(&delivered), ["delivered"]);
    let at = |name: &str| server.url.join(name).unwrap();
    let expected = format!(
        "the job did not write `/output/a`, which goes to {} and {}; the job did not write \
         `/output/b/c`, which goes to {}",
        at("/a"),
        at("/two"),
        at("/b/c"),
    );
    assert_eq!(delivered.reports[0].error, Some(expected));

    let many: Vec<_> = (0..7).map(|number| put(&server, &format!("f{number}"))).collect();
    let delivered = TestRun::new().deliver_to(sink(&many)).await;
    let error = delivered.reports[0].error.as_deref().unwrap();
    assert!(error.contains("`/output/f4`") && error.ends_with("; and 2 more"), "{error}");
    assert!(!error.contains("`/output/f5`"), "{error}");
}

#[tokio::test]
async fn a_file_that_was_not_collected_is_missing() {
    let server = Server::of(vec![answer(200)]).await;
    let state = FileState::Skipped { reason: "a symbolic link is never followed".into() };
    let file = chutes_core::OutputFile::new(OutputPath::new("a").unwrap(), state);
    let error = sink(&[put(&server, "a")]).finish(&summary_of(vec![file], Vec::new())).await;
    let error = error.unwrap_err();
    assert!(!error.is_transient);
    let end = "was not collected: a symbolic link is never followed";
    assert!(error.message.starts_with("`/output/a`, which goes to http://"), "{error}");
    assert!(error.message.ends_with(end), "{error}");
}

#[tokio::test]
async fn a_large_answer_is_cut_and_one_that_does_not_end_is_success() {
    let large = "é".repeat(UploadResponse::KEPT);
    let endless = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbeginning";
    for (act, length, begin) in [
        (answer_with(200, &large), UploadResponse::KEPT, "éé"),
        (answer_with(200, format!("a{large}")), UploadResponse::KEPT - 1, "aé"),
        (Act::Raw(endless.into()), 9, "beginning"),
        (answer(204), 0, ""),
    ] {
        let server = Server::of(vec![act]).await;
        let delivered = TestRun::new().with("a", "x").deliver_to(sink(&[put(&server, "a")])).await;
        let body = &delivered.reports[0].responses[0].body;
        assert_eq!((body.len(), body.starts_with(begin)), (length, true));
        assert!(delivered.reports[0].is_complete());
    }
}

#[tokio::test]
async fn answers_are_written_down_with_the_file_and_given_back_by_the_next_supervisor() {
    let server = Server::start(|request: &Request| answer_with(200, request.line.clone())).await;
    let files = [put(&server, "a"), put(&server, "b")];
    let run = TestRun::new().with("a", "x").with("b", "y").with("c", "z");
    let settled = Arc::new(Mutex::new(Vec::new()));
    let seen = settled.clone();
    let mut job = run.job();
    job.settled = Box::new(move |_, file, state, answers| {
        seen.lock().unwrap().push((file.clone(), state.clone(), answers.to_vec()));
    });
    let sinks: [Arc<dyn Sink>; 1] = [Arc::new(sink(&files))];
    let first = crate::delivery::deliver(&OpenSink::numbered(sinks), &job).await;
    let mut again = run.job();
    for (file, state, answers) in settled.lock().unwrap().drain(..) {
        assert_eq!(answers.len(), usize::from(state == DeliveryState::Delivered), "{file:?}");
        if state == DeliveryState::Delivered && file.path == "a" {
            again.delivered.insert((0, file.kind, file.path), answers);
        }
    }
    let sinks: [Arc<dyn Sink>; 1] = [Arc::new(sink(&files))];
    let second = crate::delivery::deliver(&OpenSink::numbered(sinks), &again).await;
    assert_eq!(server.requests().len(), 3, "`a` was sent again");
    assert_eq!(first.reports, second.reports);
    assert_eq!(second.reports[0].responses.len(), 2);
}

/// Many declared files are no reason for many clients, nor for a search through all of them.
#[tokio::test]
async fn a_thousand_files() {
    let server = Server::of(vec![answer(200)]).await;
    let names: Vec<String> = (0..1_000).map(|number| format!("f{number}")).collect();
    let files: Vec<_> = names.iter().map(|name| put(&server, name)).collect();
    let run = names.iter().fold(TestRun::new(), |run, name| run.with(name, "x"));
    let delivered = run.deliver_to(sink(&files)).await;
    let report = &delivered.reports[0];
    assert_eq!((report.delivered, report.responses.len()), (1_000, 1_000));
    // Who finds none free opens one, also when one is just getting free or another is being opened: there can be
    // a few more than are used at a time.
    assert!(server.requests().iter().all(|request| request.connection < 2 * CONCURRENCY));
}

/// What a server would be sent that a spec may not name, and what is said of it.
#[tokio::test]
async fn addresses_that_a_spec_may_not_name() {
    let own = Server::of(vec![answer(200)]).await;
    let port = own.url.port().unwrap();
    let to = |host: &str| {
        let url = HttpUrl::new(&format!("http://{host}:{port}/latest?token=secret")).unwrap();
        [(path("a"), Upload::put(url, Vec::new()).unwrap())]
    };
    let allowed = AddressPolicy::new(vec!["0.0.0.0/8".parse().unwrap()]);
    for host in [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1]",
        "168.63.129.16",
        "[fd00:a9fe:a9fe::1]",
    ] {
        let error = FilesSink::new("s".to_owned(), &to(host), &allowed).map(drop).unwrap_err();
        assert!(error.message.starts_with("`/output/a`: the address "), "{error:?}");
        assert!(!error.is_transient && !error.message.contains("secret"), "{error:?}");
    }
    // This system takes `0.0.0.0` for itself.
    let run = TestRun::new().with("a", "1");
    let refused = FilesSink::new("s".to_owned(), &to("0.0.0.0"), &AddressPolicy::default());
    assert!(refused.is_err());
    let sink = FilesSink::new("s".to_owned(), &to("0.0.0.0"), &allowed).unwrap();
    assert_eq!(states(&run.deliver_to(sink).await), ["delivered"]);
    assert_eq!(own.requests().len(), 1);

    let lookup = |_| Box::pin(std::future::ready(Ok(vec!["0.0.0.0:0".parse().unwrap()]))) as _;
    let resolver = Resolver::with(AddressPolicy::default(), Arc::new(lookup));
    let mut sink = FilesSink::new("s".to_owned(), &to("bucket.test"), &allowed).unwrap();
    sink.client = guarded_client(true, &resolver).unwrap();
    let delivered = run.deliver_to(sink).await;
    assert_eq!(states(&delivered), ["failed"]);
    assert!(!format!("{delivered:?}").contains("secret"));
    assert_eq!(own.requests().len(), 1, "no other server is asked");
}
