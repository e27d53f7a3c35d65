//! URLs of one server and of several, and deliveries to them.

use chutes_core::{DeliveryState, FileState, OutputFile, SinkSpec};
use chutes_test_support::servers::upload::{Request, Server, answer};
use chutes_transfer::AddressPolicy;

use super::*;
use crate::delivery::{Delivered, deliver};
use crate::http::tests::run as summary_of;
use crate::open_sinks;
use crate::test_run::TestRun;

fn opened(run: &TestRun, texts: &[String]) -> Vec<OpenSink> {
    let specs: Vec<SinkSpec> = texts.iter().map(|text| text.parse().unwrap()).collect();
    open_sinks(&specs, &run.root(), &AddressPolicy::default()).unwrap()
}

#[test]
fn urls_of_one_server_are_one_sink() {
    let check = |texts: &[&str], expected: &[(usize, &str)]| {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        let sinks = opened(&TestRun::new(), &texts);
        let seen: Vec<_> = sinks.iter().map(|open| (open.number, open.sink.name())).collect();
        assert_eq!(seen, expected, "{texts:?}");
    };
    check(&["a=https://h/x?signature=secret"], &[(0, "https://h/x")]);
    check(
        &["/d", "a=https://u:secret@h/x?s=1", "/e", "b=https://h/y?s=2", "/f"],
        &[(0, "/d"), (1, "2 URLs at https://h"), (2, "/e"), (4, "/f")],
    );
    // Another scheme, port or name is another server.
    check(
        &[
            "a=https://h/x",
            "b=http://h/x",
            "c=https://h:444/x",
            "d=https://g/x",
            "e=https://h:443/y",
        ],
        &[
            (0, "2 URLs at https://h"),
            (1, "http://h/x"),
            (2, "https://h:444/x"),
            (3, "https://g/x"),
        ],
    );
    // A file with two URLs can arrive at one of them only.
    check(
        &["a=https://h/x", "a=https://h/y", "b=https://h/z", "b=https://h/w"],
        &[(0, "2 URLs at https://h"), (1, "2 URLs at https://h")],
    );
}

fn count(delivered: &Delivered) -> Vec<(u64, u64, u64)> {
    let counts = delivered.reports.iter().map(|it| (it.delivered, it.failed, it.skipped));
    counts.collect()
}

/// Many files are no reason for many clients, nor for a state of each file at each URL.
#[tokio::test]
async fn a_thousand_files() {
    let server = Server::of(vec![answer(200)]).await;
    let names: Vec<String> = (0..1_000).map(|number| format!("f{number}")).collect();
    let texts: Vec<_> = names.iter().map(|name| format!("{name}={}/{name}", server.url)).collect();
    let run = names.iter().fold(TestRun::new(), |run, name| run.with(name, name));
    let run = run.with("other", "x").with_log("stdout", "x");
    let delivered = deliver(&opened(&run, &texts), &run.job()).await;
    assert_eq!(count(&delivered), [(1_000, 0, 2)]);
    let requests = server.requests();
    assert_eq!(requests.len(), 1_000);
    for request in requests {
        // A request that finds no free connection opens one, also when one is just getting free.
        assert!(request.connection < 2 * CONCURRENCY);
        let body = String::from_utf8(request.body).unwrap();
        assert!(request.line.ends_with(&format!("/{body} HTTP/1.1")), "{}", request.line);
    }
}

#[tokio::test]
async fn one_url_that_is_refused_and_one_server_that_is_gone() {
    let server = Server::start(|request: &Request| {
        answer(if request.line.contains("/b ") { 403 } else { 200 })
    });
    let (server, gone) = (server.await, "http://127.0.0.1:1");
    let to = |file: &str, server: &str| format!("{file}={}/{file}", server.trim_end_matches('/'));
    let here = server.url.origin().ascii_serialization();
    let texts = [to("a", &here), to("x", gone), to("b", &here), to("y", gone), to("c", &here)];
    let run =
        ["a", "b", "c", "x", "y"].iter().fold(TestRun::new(), |run, file| run.with(file, *file));
    let mut job = run.job();
    job.policy.delays = job.policy.delays.with_max_times(0);
    let delivered = deliver(&opened(&run, &texts), &job).await;
    assert_eq!(count(&delivered), [(2, 1, 2), (0, 2, 3)]);
    let DeliveryState::Failed { reason } = &delivered.states[0][1] else { panic!("{delivered:?}") };
    assert!(reason.contains(&format!("{here}/b")) && reason.contains("403"), "{reason}");
}

#[tokio::test]
async fn files_that_were_not_written_are_named() {
    let run = TestRun::new();
    let names = ["a", "b\n", "c", "d", "e", "f", "g", "h"];
    let texts: Vec<String> = names.iter().map(|name| format!("{name}=http://h/x")).collect();
    let sink = opened(&run, &texts).remove(0).sink;
    let failed = FileState::Failed { reason: "it was changed".into() };
    let file = OutputFile::new(OutputPath::new("a").unwrap(), failed);
    let error = sink.finish(&summary_of(vec![file], Vec::new())).await.unwrap_err();
    assert_eq!(
        error.message,
        "`a` was not collected: it was changed; the job did not write `b\\n`; the job did not write `c`; \
         the job did not write `d`; the job did not write `e`; and 3 more",
    );
}
