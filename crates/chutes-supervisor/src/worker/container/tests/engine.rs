//! Errors of the engine: no image, no answer, and containers of other supervisors.

use super::super::starter::{remove_leftovers, remove_of_run};
use super::*;

#[tokio::test]
async fn images_that_there_are_not() {
    for pull in [PullPolicy::Never, PullPolicy::Missing] {
        let mut case = Case::with("true", |setup| {
            setup.image = ImageName::new("localhost/no-such-image").unwrap();
            setup.engine.pull = pull;
        })
        .await;
        let end = case.step(Step::Prepare).await;
        let left = case.finish(end).await;
        let StepExit::Finished(Err(failure)) = &left.end else { panic!("{:?}", left.end) };
        assert_eq!(failure.kind, FailureKind::ImageUnavailable, "{failure:?}");
        let begin = "the image `localhost/no-such-image:latest` cannot be had: ";
        assert!(failure.message.starts_with(begin), "{}", failure.message);
    }
}

#[tokio::test]
async fn a_pull_that_takes_for_ever_is_given_up() {
    let registry = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let image = format!("{}/x:1", registry.local_addr().unwrap());
    for is_cancelled in [true, false] {
        let mut case = Case::with("true", |setup| {
            setup.image = ImageName::new(&image).unwrap();
            setup.engine.pull = PullPolicy::Missing;
        })
        .await;
        case.worker.begin(Step::Prepare).await;
        // The engine requests the image and gets no answer.
        let _asked = registry.accept().await.unwrap();
        let end = if is_cancelled {
            case.worker.cancel().await;
            case.worker.ended().await
        } else {
            assert_eq!(case.worker.force(false).await, Force::Aborted);
            StepExit::Finished(Ok(Json::null()))
        };
        let left = case.finish(end).await;
        if let StepExit::Finished(Err(failure)) = &left.end {
            assert_eq!(failure.kind, FailureKind::Cancelled);
        }
    }
}

#[tokio::test]
async fn no_engine() {
    let host = Some("unix:///nonexistent/engine.sock".to_owned());
    let error =
        Engine::connect(&EngineRequest { host, pull: PullPolicy::Never }).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Platform);
    let message = error.to_string();
    assert!(message.contains("start Docker or Podman, or set DOCKER_HOST"), "{message}");
    assert!(message.contains("/nonexistent/engine.sock: there is no such socket"), "{message}");
}

/// A container with the labels of a run, as an engine has it.
struct Labelled {
    /// Its name; `None` for that of the container of its run.
    name: Option<String>,
    run_id: RunId,
    supervisor: String,
    /// The directory of its run.
    directory: String,
}

impl Labelled {
    fn name(&self) -> String {
        self.name.clone().unwrap_or_else(|| chutes_engine::name(self.run_id))
    }

    fn create(&self) {
        let run_id = self.run_id.to_string();
        let labels = [
            ("dev.chutes.run-id", run_id.as_str()),
            ("dev.chutes.supervisor", &self.supervisor),
            ("dev.chutes.run-directory", &self.directory),
        ];
        Podman::create(&self.name(), &labels);
    }
}

/// The labels of supervisors that are dead, on another machine, and nothing at all.
fn supervisors() -> [String; 3] {
    let labels = chutes_engine::labels(new_run_id(), "/");
    let mut dead: Vec<String> =
        labels["dev.chutes.supervisor"].split('/').map(str::to_owned).collect();
    // The label of a process with this pid that was started at another time.
    dead[3] = "1".to_owned();
    let elsewhere = format!("another-boot/{}/{}/1", dead[1], dead[2]);
    [dead.join("/"), elsewhere, "who knows".to_owned()]
}

/// Removes the container of a run. Returns whether there was one.
async fn is_removed_of_run(engine: &Engine, run_id: RunId) -> bool {
    let found = engine.containers_of_run(run_id).await.unwrap();
    assert_eq!(remove_of_run(engine, run_id).await.unwrap(), Vec::<String>::new());
    !found.is_empty()
}

fn new_run_id() -> RunId {
    RunId::from_bytes(uuid::Uuid::now_v7().into_bytes())
}

#[tokio::test]
async fn only_the_leftovers_of_dead_supervisors() {
    let mut case = Case::new("echo ready; sleep 600").await;
    case.begin_job().await;
    case.printed("ready").await;
    let engine = case.worker.shared.engine().unwrap().clone();
    for (supervisor, is_removed) in supervisors().into_iter().zip([true, false, false]) {
        let directory = "/nonexistent/run".to_owned();
        let left = Labelled { name: None, run_id: new_run_id(), supervisor, directory };
        left.create();
        assert_eq!(remove_leftovers(&engine).await, Vec::<String>::new());
        assert_eq!(!engine.remove(&left.name()).await.unwrap(), is_removed, "{}", left.supervisor);
    }
    assert!(
        case.worker.shared.stop_request.borrow().eq(&StopRequest::None) && case.worker.is_alive()
    );
    let run_id = case.worker.shared.setup.run_id;
    assert!(is_removed_of_run(&engine, run_id).await, "the container of a living one was gone");
    assert!(!is_removed_of_run(&engine, run_id).await);
    let end = case.worker.ended().await;
    let left = case.finish(end).await;
    assert_eq!(left.exit().kind, FailureKind::Killed);
}

/// A copy of a container has its labels, and is none of ours.
#[tokio::test]
async fn containers_with_our_labels_that_are_not_ours_stay() {
    let case = Case::new("true").await;
    let engine = case.worker.shared.engine().unwrap().clone();
    let [dead, ..] = supervisors();
    let folder = TempDir::new().unwrap();
    let with_record = folder.path().to_str().unwrap();
    chutes_engine::record_container(folder.path(), &"a".repeat(64)).unwrap();
    let mine = || Some(format!("mine-{}", uuid::Uuid::now_v7()));
    for (name, directory, is_removed) in [
        (mine(), "/nonexistent/run", false),
        (None, with_record, false),
        (mine(), with_record, false),
        (None, "/nonexistent/run", true),
    ] {
        let (run_id, directory) = (new_run_id(), directory.to_owned());
        let left = Labelled { name, run_id, supervisor: dead.clone(), directory };
        left.create();
        assert_eq!(remove_leftovers(&engine).await, Vec::<String>::new());
        assert!(!is_removed_of_run(&engine, run_id).await);
        assert_eq!(!engine.remove(&left.name()).await.unwrap(), is_removed, "{}", left.name());
        left.create();
        assert_eq!(is_removed_of_run(&engine, run_id).await, is_removed, "{}", left.name());
        assert_eq!(!engine.remove(&left.name()).await.unwrap(), is_removed, "{}", left.name());
    }
    case.finish(StepExit::Finished(Ok(Json::null()))).await;
}

/// The directory of a run names the container that was started for it.
#[tokio::test]
async fn the_container_of_a_run_is_recorded() {
    let mut case = Case::new("echo ready; sleep 600").await;
    case.begin_job().await;
    case.printed("ready").await;
    let record = case.worker.shared.setup.directory.root().join("container.id");
    let id = std::fs::read_to_string(record).unwrap();
    let engine = case.worker.shared.engine().unwrap().clone();
    assert!(engine.inspect(id.trim()).await.unwrap().is_some_and(|it| it.running == Some(true)));
    assert!(is_removed_of_run(&engine, case.worker.shared.setup.run_id).await);
    let end = case.worker.ended().await;
    case.finish(end).await;
}

#[tokio::test]
async fn an_engine_that_comes_back() {
    let script = "echo ready; while [ ! -e /output/go ]; do sleep 0.05; done; exit 5";
    let mut case = Case::new(script).await;
    case.begin_job().await;
    case.printed("ready").await;
    case.podman.restart();
    std::fs::write(case.worker.shared.setup.directory.outputs().join("go"), "").unwrap();
    let end = case.worker.ended().await;
    let left = case.finish(end).await;
    assert_eq!(left.exit().exit_code, Some(5), "{:?}", left.exit());
}

#[tokio::test]
async fn an_engine_that_is_gone_is_no_fault_of_the_job() {
    let mut case = Case::new("echo ready; sleep 600").await;
    case.begin_job().await;
    case.printed("ready").await;
    case.podman.stop();
    assert_eq!(case.worker.force(false).await, Force::LeftBehind);
    case.podman.serve();
    let left = case.finish(StepExit::Finished(Ok(Json::null()))).await;
    assert!(
        left.warnings.iter().any(|it| it.contains("may still be there")),
        "{:?}",
        left.warnings
    );
}
