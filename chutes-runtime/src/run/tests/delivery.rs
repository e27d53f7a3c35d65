//! Declared output volumes of whole runs: their endings, and their recovery by a second supervisor.

use std::path::Path;

use chutes_core::{
    EndStatus, ExitCode, FailureKind, HttpUrl, Outcome, OutputVolumes, Phase, RelativePath,
    SinkReport, SinkSpec, Upload,
};
use chutes_supervisor::recover::{Found, find};
use chutes_test_support::servers::upload::{Request, Server, answer, answer_with};

use super::super::Run;
use crate::registry::Registry;
use crate::{JobContext, JobError, job};

/// Writes two outputs.
#[job]
async fn writes_two_words(ctx: JobContext) -> Result<u8, JobError> {
    std::fs::write(ctx.output_dir().join("one.txt"), "one")?;
    std::fs::write(ctx.output_dir().join("two.txt"), "two")?;
    Ok(7)
}

/// Volumes for these files, and for a zip of the rest.
fn volumes(server: &Server, files: &[&str]) -> Vec<SinkSpec> {
    let to = |name: &str| {
        let url = server.url.join(name).unwrap();
        Upload::put(HttpUrl::new(url.as_str()).unwrap(), Vec::new()).unwrap()
    };
    let files = files.iter().map(|name| (RelativePath::new(name).unwrap(), to(name)));
    OutputVolumes { files: files.collect(), system_output: Some(to("zip")) }.sinks()
}

fn run(path: &Path, sinks: Vec<SinkSpec>) -> Run {
    let job = Registry::collect().unwrap().get("writes_two_words").unwrap().clone();
    Run::new(job, path).sinks(sinks)
}

async fn execute(server: &Server, files: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    run(&folder.path().join("run"), volumes(server, files)).execute().await.unwrap()
}

#[tokio::test]
async fn a_run_whose_volumes_have_all_arrived() {
    let server = Server::start(|request: &Request| answer_with(200, request.line.clone())).await;
    let outcome = execute(&server, &["one.txt"]).await;
    assert_eq!(outcome.status(), EndStatus::Completed, "{outcome:?}");
    let kept = |sink: &SinkReport| -> Vec<(String, String)> {
        assert!(sink.declared);
        sink.responses.iter().map(|it| (it.file.clone(), it.body.clone())).collect()
    };
    let owned = |file: &str, line: &str| vec![(file.to_owned(), format!("PUT {line} HTTP/1.1"))];
    assert_eq!(kept(&outcome.sinks[0]), owned("one.txt", "/one.txt"));
    assert_eq!(kept(&outcome.sinks[1]), owned("system_output", "/zip"));
    // Both are part of the outcome as JSON, which is read back.
    let text = serde_json::to_string(&outcome).unwrap();
    assert_eq!(serde_json::from_str::<Outcome>(&text).unwrap(), outcome);
}

#[tokio::test]
async fn a_run_whose_volumes_have_not_all_arrived() {
    let server = Server::start(|request: &Request| {
        if request.line.contains("/two.txt") { answer_with(403, "too late") } else { answer(200) }
    })
    .await;
    let outcome = execute(&server, &["two.txt", "three.txt"]).await;
    assert_eq!(outcome.exit_code(), ExitCode::OUTPUTS_INCOMPLETE);
    let failure = outcome.ending.failure().unwrap();
    assert_eq!((failure.kind, failure.phase), (FailureKind::UploadFailed, Some(Phase::Upload)));
    for expected in [
        "the job did not write `/output/three.txt`, which goes to http://",
        "`/output/two.txt` did not arrive: PUT http://",
        "403 Forbidden: too late",
    ] {
        assert!(failure.message.contains(expected), "{}", failure.message);
    }
    // The result of the job is kept, and the other volume has arrived.
    assert!(outcome.result.is_some() && outcome.sinks[1].is_complete());
}

/// The supervisor is killed after the files have arrived and before it has recorded that.
#[tokio::test]
async fn answers_survive_the_supervisor() {
    let server = Server::start(|request: &Request| answer_with(200, request.line.clone())).await;
    let folder = tempfile::tempdir().unwrap();
    let (path, journal) = (folder.path().join("run"), folder.path().join("run/run.jsonl"));
    let sinks = volumes(&server, &["one.txt"]);
    let outcome = run(&path, sinks.clone()).execute().await.unwrap();
    let requests = server.requests().len();
    let text = std::fs::read_to_string(&journal).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let end = lines.iter().position(|line| line.contains("\"outcome\":")).unwrap();
    std::fs::write(&journal, lines[..end].concat()).unwrap();
    std::fs::write(path.join("sinks.json"), serde_json::to_vec(&sinks).unwrap()).unwrap();

    let Ok(Found::Unfinished(unfinished)) = find(&path, &[]) else { panic!("it is settled") };
    let recovered = unfinished.finish().await;
    assert_eq!(recovered.status(), EndStatus::Completed);
    assert_eq!(server.requests().len(), requests, "something was sent again");
    assert_eq!(recovered.sinks, outcome.sinks);
    assert_eq!(recovered.sinks.iter().map(|sink| sink.responses.len()).sum::<usize>(), 2);
}
