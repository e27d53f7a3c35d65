//! Tests of the system output of a spec: what is in it, where it goes, and what is kept of the answer.

use std::io::{Cursor, Read};
use std::sync::Arc;

use chutes_core::{DeliveryState, HttpUrl, RelativePath, SinkSpec, Upload};
use chutes_test_support::servers::upload::{Act, Server, answer, answer_with};
use chutes_transfer::AddressPolicy;
use zip::ZipArchive;

use super::*;
use crate::delivery::{Delivered, deliver};
use crate::test_run::{TestRun, tree};
use crate::{OpenSink, open_sinks};

fn spec(server: &Server, fields: Option<Vec<(String, String)>>, except: &[&str]) -> SinkSpec {
    let url = HttpUrl::new(&format!("{}?token=secret", server.url)).unwrap();
    let to = match fields {
        None => Upload::put(url, Vec::new()),
        Some(fields) => Upload::post(url, fields, Vec::new()),
    };
    let except = except.iter().map(|path| RelativePath::new(path).unwrap()).collect();
    SinkSpec::system_output(to.unwrap(), except)
}

fn opened(run: &TestRun, spec: &SinkSpec) -> Vec<OpenSink> {
    let specs = std::slice::from_ref(spec);
    open_sinks(specs, &run.root(), &AddressPolicy::default()).unwrap()
}

async fn send(run: &TestRun, spec: SinkSpec) -> Delivered {
    deliver(&opened(run, &spec), &run.job()).await
}

/// The members in their order, folders included.
fn members(zip: &[u8]) -> Vec<(String, String)> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).unwrap();
    let mut members = Vec::new();
    for at in 0..archive.len() {
        let mut member = archive.by_index(at).unwrap();
        let mut text = String::new();
        member.read_to_string(&mut text).unwrap();
        members.push((member.name().unwrap().into_owned(), text));
    }
    members
}

async fn check(run: TestRun, except: &[&str], expected: &[(&str, &str)]) {
    let server = Server::of(vec![answer(200)]).await;
    let delivered = send(&run, spec(&server, None, except)).await;
    assert!(delivered.reports[0].is_complete(), "{delivered:?}");
    let request = server.requests().pop().unwrap();
    assert_eq!(request.line, "PUT /path?token=secret HTTP/1.1");
    let owned = |(name, text): &(&str, &str)| ((*name).to_owned(), (*text).to_owned());
    assert_eq!(members(&request.body), expected.iter().map(owned).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_job_that_wrote_nothing() {
    let none = [("stdout.txt", ""), ("stderr.txt", "")];
    check(TestRun::new(), &[], &none).await;
    let run = TestRun::new().with_log("stderr.log", "oh\n").with_log("stdout.log", "hello\n");
    check(run, &[], &[("stdout.txt", "hello\n"), ("stderr.txt", "oh\n")]).await;
}

#[tokio::test]
async fn outputs_are_at_the_root_but_for_those_with_a_volume_of_their_own() {
    let run = TestRun::new()
        .with("a", "1")
        .with("b/c", "2")
        .with("b/d", "3")
        .with_log("stdout.log", "hello")
        .with_log("other.log", "?")
        .with_artifact("a", "4");
    let expected = [("a", "1"), ("b/d", "3"), ("stdout.txt", "hello"), ("stderr.txt", "")];
    check(run, &["b/c", "missing"], &expected).await;
}

#[tokio::test]
async fn what_was_printed_is_one_text_in_order() {
    let parts = [("stdout.log", "one,"), ("stdout.9.log", "two,"), ("stdout.10.log", "three")];
    // As the names are sorted: `stdout.10.log` comes first.
    let run = parts.iter().rev().fold(TestRun::new(), |run, (name, text)| run.with_log(name, text));
    check(run, &[], &[("stdout.txt", "one,two,three"), ("stderr.txt", "")]).await;
}

#[tokio::test]
async fn an_output_keeps_its_name() {
    let run = TestRun::new()
        .with("stderr.txt/x", "1")
        .with("stdout-1.txt", "2")
        .with("stdout.txt", "3")
        .with_log("stdout.log", "4");
    let outputs = [("stderr.txt/x", "1"), ("stdout-1.txt", "2"), ("stdout.txt", "3")];
    let logs = [("stdout-2.txt", "4"), ("stderr-1.txt", "")];
    check(run, &[], &[&outputs[..], &logs].concat()).await;
    // One that is not in it takes no name.
    let run = TestRun::new().with("stdout.txt", "3").with_log("stdout.log", "4");
    check(run, &["stdout.txt"], &[("stdout.txt", "4"), ("stderr.txt", "")]).await;
}

#[tokio::test]
async fn it_is_posted_as_a_form_and_the_answer_is_kept() {
    let server = Server::of(vec![answer(503), answer_with(200, "thanks")]).await;
    let run = TestRun::new().with("a", "1").with_log("stdout.log", "hello");
    let fields = Some(vec![("key".to_owned(), "k".to_owned())]);
    let delivered = send(&run, spec(&server, fields, &[])).await;
    let report = &delivered.reports[0];
    assert!(report.is_complete() && report.declared, "{report:?}");
    assert_eq!(report.sink, format!("system_output={}?…", server.url));
    let kept: Vec<_> =
        report.responses.iter().map(|it| (&*it.file, it.status, &*it.body)).collect();
    assert_eq!(kept, [("system_output", 200, "thanks")]);
    let body = server.requests().pop().unwrap().body;
    let head = String::from_utf8_lossy(&body[..400]).into_owned();
    assert!(
        head.contains("name=\"file\"; filename=\"output.zip\"\r\nContent-Type: application/zip")
    );
    // Nothing is left of it in the directory of the run.
    assert_eq!(tree(&run.root()), ["logs/stdout.log", "outputs/a"]);
}

#[tokio::test]
async fn a_bad_request_may_be_transient_twice() {
    let run = TestRun::new().with("a", "1");
    for (answers, is_complete) in [(&[400, 400, 200][..], true), (&[400, 400, 400, 200], false)] {
        let server = Server::of(answers.iter().copied().map(answer).collect()).await;
        let delivered = send(&run, spec(&server, None, &[])).await;
        assert_eq!(delivered.reports[0].is_complete(), is_complete, "{delivered:?}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[tokio::test]
async fn a_refusal_is_the_reason_of_all() {
    let server = Server::of(vec![answer_with(403, "no")]).await;
    let run = TestRun::new().with("a", "1").with("b", "2");
    let delivered = send(&run, spec(&server, None, &[])).await;
    let report = &delivered.reports[0];
    let expected = format!("PUT {} was answered with 403 Forbidden: no", server.url);
    assert_eq!((report.delivered, report.failed), (0, 2));
    assert_eq!(report.error.as_ref(), Some(&expected));
    assert!(report.responses.is_empty());
    let failed = DeliveryState::Failed { reason: expected };
    assert!(delivered.states[0].iter().all(|state| *state == failed));
}

#[tokio::test]
async fn the_answer_is_written_down_with_the_last_file_and_is_given_back() {
    let server = Server::of(vec![answer_with(200, "first"), answer_with(200, "second")]).await;
    let run = TestRun::new().with("a", "1").with("b", "2").with_log("stdout.log", "x");
    let spec = spec(&server, None, &["b"]);
    let settled = Arc::new(Mutex::new(Vec::new()));
    let seen = settled.clone();
    let mut job = run.job();
    job.settled = Box::new(move |sink, file, state, answers| {
        if *state == DeliveryState::Delivered {
            seen.lock().unwrap().push(((sink, file.kind, file.path.clone()), answers.to_vec()));
        }
    });
    let first = deliver(&opened(&run, &spec), &job).await;
    let settled = settled.lock().unwrap().clone();
    let counts: Vec<_> = settled.iter().map(|(_, answers)| answers.len()).collect();
    assert_eq!(counts, [0, 1]);
    // All records are there: nothing is sent again.
    let mut again = run.job();
    again.delivered = settled.iter().cloned().collect();
    let second = deliver(&opened(&run, &spec), &again).await;
    assert_eq!((server.requests().len(), &second.reports), (1, &first.reports));
    // The record with the answer is lost: the zip is sent again, and answered again.
    let mut again = run.job();
    again.delivered = settled[..1].iter().cloned().collect();
    let third = deliver(&opened(&run, &spec), &again).await;
    let bodies: Vec<_> = third.reports[0].responses.iter().map(|it| it.body.as_str()).collect();
    assert_eq!((server.requests().len(), bodies), (2, vec!["second"]));
}

#[tokio::test]
async fn what_was_printed_is_changed_meanwhile() {
    let server = Server::of(vec![Act::Answer(200, String::new(), String::new())]).await;
    let run = TestRun::new().with("a", "1").with_log("stdout.log", "right");
    std::fs::write(run.path_of(FileKind::Log, b"stdout.log"), "wrong").unwrap();
    let delivered = send(&run, spec(&server, None, &[])).await;
    // It is not sent, and that is reported; the output is.
    assert_eq!((delivered.reports[0].delivered, delivered.reports[0].failed), (1, 1));
    let body = server.requests().pop().unwrap().body;
    assert_eq!(members(&body)[1], ("stdout.txt".to_owned(), String::new()));
}
