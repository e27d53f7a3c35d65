//! The protocol against a server that answers as the platform does.

use chutes_core::{Ending, FileKind, FileState, Json, OutputFile};
use chutes_test_support::servers::upload::{Act, Request, Server, answer, answer_with};
use chutes_transfer::TransferError;
use proptest::prelude::{Strategy as _, prop_assert, proptest};

use super::*;
use crate::http::reading::tests::{changed_source, source};
use crate::http::tests::run;

fn listed(file: &SourceFile) -> OutputFile {
    let state = FileState::Collected { bytes: file.bytes, sha256: file.sha256 };
    OutputFile::new(file.path.clone(), state)
}

fn log(name: &[u8], content: &[u8]) -> SourceFile {
    changed_source(FileKind::Log, name, content, content)
}

/// The address that the platform gives for a file.
fn storage(name: &str) -> String {
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("\"/jobs/1/upload?token=of-{name}\"")
}

/// Answers to POST with an address for each of these names.
async fn platform(names: &'static [&'static str]) -> Server {
    Server::start(move |request: &Request| {
        if !request.line.starts_with("POST") {
            return answer_with(200, r#"{"status":"success"}"#);
        }
        let urls = names
            .iter()
            .map(|name| format!("{}:{}", Json::from_value(name).unwrap(), storage(name)));
        let urls: Vec<String> = urls.collect();
        answer_with(200, format!(r#"{{"output_storage_urls":{{{}}},"more":1}}"#, urls.join(",")))
    })
    .await
}

fn sink(server: &Server) -> StatusUrlSink {
    let mut url = server.url.clone();
    url.set_path("/jobs/1");
    url.set_query(Some("token=very-secret"));
    StatusUrlSink::new(url).unwrap()
}

#[tokio::test]
async fn the_whole_protocol() {
    let server = platform(&["a/b\".json", "_chute.log"]).await;
    let sink = sink(&server);
    let (file, log) = (source(b"a/b\".json", b"{}"), log(b"stdout.log", b"epoch 1\n"));
    let mut run = run(vec![listed(&file)], vec![listed(&log)]);
    run.result = Some(Json::parse("[1]").unwrap());
    sink.begin(&run).await.unwrap();
    sink.send(&file).await.unwrap();
    sink.send(&log).await.unwrap();
    sink.finish(&run).await.unwrap();

    let [outcome, first, second, done] = server.requests().try_into().unwrap();
    assert_eq!(outcome.line, "POST /jobs/1?token=very-secret HTTP/1.1");
    assert_eq!(outcome.header("content-type"), Some("application/json"));
    let expected = r#"{"status":"complete","result":{"result":[1]},"output_filenames":["a/b\".json","_chute.log"]}"#;
    assert_eq!(String::from_utf8(outcome.body).unwrap(), expected);
    let expected = "PUT /jobs/1/upload?token=of-a%2Fb%22%2Ejson HTTP/1.1";
    check_upload(&first, expected, "b%22.json", "application/json", "{}", "a/b\".json");
    let expected = "PUT /jobs/1/upload?token=of-%5Fchute%2Elog HTTP/1.1";
    check_upload(&second, expected, "_chute.log", "text/plain", "epoch 1\n", "_chute.log");
    assert_eq!(done.line, "PUT /jobs/1?token=very-secret HTTP/1.1");
    assert_eq!(done.header("content-type"), Some("application/json"));
    assert_eq!(done.body, br#"{"status":"done"}"#);
}

#[track_caller]
fn check_upload(request: &Request, line: &str, name: &str, kind: &str, body: &str, path: &str) {
    assert_eq!(request.line, line);
    let boundary = request.header("content-type").unwrap();
    let boundary = boundary.strip_prefix("multipart/form-data; boundary=").unwrap();
    let expected = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: {kind}\r\n\r\n{body}\r\n\
         --{boundary}\r\nContent-Disposition: form-data; name=\"path\"\r\n\r\n{path}\r\n\
         --{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8(request.body.clone()).unwrap(), expected);
}

#[tokio::test]
async fn artifacts_stay_here() {
    let sink = sink(&platform(&["a"]).await);
    let artifact = changed_source(FileKind::Artifact, b"a", b"x", b"x");
    let why = Some("the platform has no place for artifacts".to_owned());
    assert_eq!((sink.skips(&artifact), sink.skips(&source(b"a", b"x"))), (why, None));
}

#[tokio::test]
async fn a_file_without_an_address_is_not_sent() {
    let server = platform(&["a"]).await;
    let sink = sink(&server);
    let (known, unknown) = (source(b"a", b""), source(b"b", b""));
    let run = run(vec![listed(&known), listed(&unknown)], Vec::new());
    assert_eq!(sink.send(&known).await, Err(without_outcome()));
    assert_eq!(sink.finish(&run).await, Err(without_outcome()));
    sink.begin(&run).await.unwrap();
    let expected = Err(TransferError::permanent("the platform gave no address for it"));
    assert_eq!(sink.send(&unknown).await, expected);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn answers_to_the_outcome() {
    for (act, expected) in [
        (answer_with(200, "{}"), None),
        (answer_with(200, r#"{"output_storage_urls":null}"#), None),
        (answer_with(200, "<html>"), Some(true)),
        (answer(200), Some(true)),
        (answer(500), Some(true)),
        (answer(401), Some(false)),
        (answer_with(400, r#"{"detail":"no such job"}"#), Some(false)),
        (Act::Reset(1), Some(true)),
    ] {
        let server = Server::of(vec![act.clone()]).await;
        let result = sink(&server).begin(&run(Vec::new(), Vec::new())).await;
        assert_eq!(result.err().map(|error| error.is_transient), expected, "{act:?}");
    }
}

#[tokio::test]
async fn a_run_that_is_recovered_after_the_platform_finished_it() {
    let server = Server::of(vec![answer_with(400, r#"{"detail":"Job already finished"}"#)]).await;
    let sink = sink(&server);
    let file = source(b"a", b"");
    let run = run(vec![listed(&file)], Vec::new());
    assert_eq!(sink.begin(&run).await, Ok(()));
    assert_eq!(sink.send(&file).await, Err(TransferError::permanent(FINISHED)));
    assert_eq!(sink.finish(&run).await, Ok(()));
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn done_is_sent_once_more_when_only_the_answer_was_lost() {
    let finished = answer_with(400, r#"{"detail":"Job alread finished"}"#);
    let acts = vec![answer_with(200, "{}"), Act::Raw(String::new()), finished, answer(500)];
    let server = Server::of(acts).await;
    let (sink, run) = (sink(&server), run(Vec::new(), Vec::new()));
    sink.begin(&run).await.unwrap();
    assert!(sink.finish(&run).await.unwrap_err().is_transient);
    assert_eq!(sink.finish(&run).await, Ok(()));
    assert!(sink.finish(&run).await.unwrap_err().is_transient);
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(16))]
    #[test]
    fn no_message_has_a_token(
        token in "[a-zA-Z0-9_-]{12,40}".prop_map(|token| token + "x"),
        status in proptest::sample::select(vec![302_u16, 400, 403, 500]),
        begins in proptest::bool::ANY,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let messages = runtime.block_on(async {
            let text = format!("{token} is wrong").repeat(1_000);
            let upload = format!(r#"{{"output_storage_urls":{{"a":"/upload?token={token}-2"}}}}"#);
            let first = if begins { answer_with(200, upload) } else { answer_with(status, text.clone()) };
            let server = Server::of(vec![first, answer_with(status, text)]).await;
            let mut url = server.url.clone();
            url.set_query(Some(&format!("token={token}")));
            let sink = StatusUrlSink::new(url).unwrap();
            let file = source(b"a", b"hello");
            let mut run = run(vec![listed(&file)], Vec::new());
            run.ending = Ending::Completed;
            let results = [sink.begin(&run).await, sink.send(&file).await, sink.finish(&run).await];
            let errors = results.into_iter().filter_map(Result::err).map(|error| error.message);
            errors.chain([sink.name().to_owned()]).collect::<Vec<_>>()
        });
        prop_assert!(messages.len() >= 3, "{messages:?}");
        prop_assert!(messages.iter().all(|message| !message.contains(&token)), "{messages:?}");
    }
}
