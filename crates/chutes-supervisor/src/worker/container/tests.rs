//! Containers against a real engine: Podman, started for each test, on storage that all tests share.

mod closed_files;
mod engine;
mod ports;

use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use chutes_core::{
    ClassProfile, ContainerPath, FailureKind, ImageName, Json, LogStream, PullPolicy, Resources,
    RunEvent, RunId, SecretPairs,
};
use chutes_process::WorkerExit;
use chutes_test_support::containers::{IMAGE, NO_USER_IMAGE, Podman, USER_IMAGE, VOLUMES_IMAGE};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::logs::index::OutputIndex;
use crate::logs::{LogCap, Logs};

/// A worker that is connected to an engine.
struct Case {
    podman: Podman,
    folder: TempDir,
    worker: ContainerWorker,
    lines: UnboundedReceiver<(LogStream, String)>,
}

/// The results of a container that has ended.
struct Left {
    end: StepExit,
    warnings: Vec<String>,
    folder: TempDir,
}

fn setup(podman: &Podman, folder: &TempDir, script: &str) -> ContainerSetup {
    let directory = RunDirectory::create(&folder.path().join("run")).unwrap();
    ContainerSetup {
        run_id: RunId::from_bytes(uuid::Uuid::now_v7().into_bytes()),
        image: ImageName::new(IMAGE).unwrap(),
        args: ["sh", "-c", script].map(str::to_owned).to_vec(),
        env: SecretPairs::default(),
        network: false,
        ports: Vec::new(),
        profile: ClassProfile::LOCAL,
        artifacts_dir: None,
        directory,
        engine: EngineRequest { host: Some(podman.host()), pull: PullPolicy::Never },
    }
}

impl Case {
    async fn new(script: &str) -> Self {
        Self::with(script, |_| {}).await
    }

    async fn with(script: &str, change: impl FnOnce(&mut ContainerSetup)) -> Self {
        let (podman, folder) = (Podman::start(), TempDir::new().unwrap());
        let mut setup = setup(&podman, &folder, script);
        change(&mut setup);
        let (sender, lines) = unbounded_channel();
        let logs = Dir::open_ambient_dir(setup.directory.logs(), ambient_authority()).unwrap();
        let spawn = OutputSettings {
            log_cap: LogCap::default(),
            stdout: Box::new(|_| ()),
            stderr: Box::new(|_| ()),
        };
        let events = EventReporter::new(move |event| {
            if let RunEvent::Log { stream, line } = event {
                let _ = sender.send((stream, line));
            }
        });
        let logs = Logs { folder: logs, index: OutputIndex::default() };
        let worker = ContainerWorker::start(setup, spawn, &logs, &events).unwrap();
        let mut case = Self { podman, folder, worker, lines };
        assert_eq!(case.step(Step::Decode).await, StepExit::Finished(Ok(Json::null())));
        case
    }

    async fn step(&mut self, step: Step) -> StepExit {
        self.worker.begin(step).await;
        self.worker.ended().await
    }

    async fn begin_job(&mut self) {
        self.worker.begin(Step::Job { time_left: None }).await;
    }

    /// Waits until the container has printed this line.
    async fn printed(&mut self, expected: &str) {
        loop {
            tokio::select! {
                biased;
                line = self.lines.recv() => {
                    if line.unwrap().1 == expected {
                        return;
                    }
                }
                end = self.worker.ended() => panic!("{end:?} without {expected}"),
            }
        }
    }

    async fn finish(self, end: StepExit) -> Left {
        let (engine, name) =
            (self.worker.shared.engine().unwrap().clone(), self.worker.shared.name());
        let warnings = Box::new(self.worker).finish().await;
        assert!(!engine.remove(&name).await.unwrap(), "the container was still there");
        Left { end, warnings, folder: self.folder }
    }

    async fn run(mut self) -> Left {
        let prepared = self.step(Step::Prepare).await;
        assert_eq!(prepared, StepExit::Finished(Ok(Json::null())));
        let end = self.step(Step::Job { time_left: None }).await;
        assert!(!self.worker.is_alive());
        self.finish(end).await
    }
}

impl Left {
    fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("run").join(path)).unwrap()
    }

    fn stdout(&self) -> String {
        self.file("logs/stdout.log")
    }

    fn exit(&self) -> &WorkerExit {
        match &self.end {
            StepExit::WorkerEnded(exit) => exit,
            StepExit::Finished(result) => panic!("{result:?} {:?}", self.warnings),
        }
    }

    fn completed(&self) {
        assert_eq!(
            self.end,
            StepExit::Finished(Ok(Json::null())),
            "{}",
            self.file("logs/stderr.log")
        );
        assert_eq!(self.warnings, Vec::<String>::new());
    }
}

#[tokio::test]
async fn exit_codes_and_both_streams() {
    let left = Case::new("echo to you; echo oh no >&2; exit 3").await.run().await;
    let exit = left.exit();
    assert_eq!((exit.kind, exit.exit_code), (FailureKind::NonzeroReturnCode, Some(3)));
    let message = "the container ended with exit code 3; the end of its standard error: oh no";
    assert_eq!(exit.message, message);
    assert_eq!(
        (left.stdout(), left.file("logs/stderr.log")),
        ("to you\n".into(), "oh no\n".into())
    );
    assert_eq!(left.warnings, Vec::<String>::new());
    Case::new("true").await.run().await.completed();
}

#[tokio::test]
async fn signals_and_missing_commands() {
    let left = Case::new("kill -SEGV $$").await.run().await;
    assert_eq!(left.exit().kind, FailureKind::Crashed);
    let left = Case::with("", |setup| setup.args = vec!["nosuch".to_owned()]).await.run().await;
    assert_eq!(left.exit().kind, FailureKind::NonzeroReturnCode);
    assert!(left.exit().message.contains("No such file"), "{}", left.exit().message);
}

#[tokio::test]
async fn more_memory_than_its_limit() {
    let script = "x=x; while true; do x=$x$x; done";
    let memory_bytes = Some(32 * 1024 * 1024);
    let wanted = Resources { memory_bytes, ..Resources::default() };
    let case = Case::with(script, |setup| setup.profile = ClassProfile::LOCAL.with(&wanted)).await;
    let left = case.run().await;
    assert_eq!(left.exit().kind, FailureKind::MemoryLimit, "{:?}", left.exit());
}

#[tokio::test]
async fn asked_to_stop() {
    let script = "trap 'echo bye; exit 7' TERM; echo ready; while true; do sleep 0.05; done";
    let mut case = Case::new(script).await;
    case.begin_job().await;
    case.printed("ready").await;
    case.worker.cancel().await;
    let end = case.worker.ended().await;
    let left = case.finish(end).await;
    assert_eq!(left.exit().exit_code, Some(7));
    assert_eq!(left.stdout(), "ready\nbye\n");
}

#[tokio::test]
async fn stops_by_default() {
    // The shell is not the first process of the container, so it does not ignore the signal.
    let mut case = Case::new("echo ready; while true; do sleep 0.05; done").await;
    case.begin_job().await;
    case.printed("ready").await;
    case.worker.cancel().await;
    let end = case.worker.ended().await;
    let left = case.finish(end).await;
    assert_eq!(left.exit().kind, FailureKind::Killed);
    assert_eq!(left.exit().message, "the container was ended by the run (SIGTERM)");
}

#[tokio::test]
async fn does_not_want_to_stop() {
    let script = "trap 'echo no' TERM; echo ready; while true; do sleep 0.05; done";
    let mut case = Case::new(script).await;
    case.begin_job().await;
    case.printed("ready").await;
    case.worker.cancel().await;
    case.printed("no").await;
    assert!(case.worker.is_alive());
    assert_eq!(case.worker.force(false).await, Force::Killed);
    assert!(!case.worker.is_alive());
    let left = case.finish(StepExit::Finished(Ok(Json::null()))).await;
    assert_eq!(left.stdout(), "ready\nno\n");
    assert_eq!(left.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn killed_without_a_word() {
    let mut case = Case::new("trap 'echo no' TERM; echo ready; sleep 600 & wait").await;
    case.begin_job().await;
    case.printed("ready").await;
    assert_eq!(case.worker.force(false).await, Force::Killed);
    let left = case.finish(StepExit::Finished(Ok(Json::null()))).await;
    assert_eq!(left.stdout(), "ready\n");
}

#[tokio::test]
async fn a_worker_that_is_finished_early_leaves_nothing_running() {
    let mut case = Case::new("echo ready; sleep 600").await;
    case.begin_job().await;
    case.printed("ready").await;
    case.finish(StepExit::Finished(Ok(Json::null()))).await;
}

#[tokio::test]
async fn stopped_before_it_is_started() {
    let mut case = Case::new("echo I run").await;
    case.worker.cancel().await;
    let end = case.step(Step::Job { time_left: None }).await;
    let left = case.finish(end).await;
    let StepExit::Finished(Err(failure)) = &left.end else { panic!("{:?}", left.end) };
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert_eq!(left.stdout(), "");
}

#[tokio::test]
async fn folders_of_the_run() {
    let script = "cat /volume/in; id -u; echo out >/output/o && echo art >/artifacts/deep/a; \
                  touch /volume/new 2>/dev/null || echo read-only; echo $WORD; stat -c %a /output";
    let case = Case::with(script, |setup| {
        setup.image = ImageName::new(USER_IMAGE).unwrap();
        // The entry point of this image is `sh -c`.
        setup.args.drain(..2);
        setup.artifacts_dir = Some(ContainerPath::new("/artifacts/deep").unwrap());
        setup.env = SecretPairs::new(vec![("WORD".to_owned(), "a b=c".to_owned())]);
        std::fs::write(setup.directory.inputs().join("in"), "given\n").unwrap();
        // The supervisor makes this folder for a run that has artifacts.
        std::fs::create_dir(setup.directory.artifacts()).unwrap();
    });
    let left = case.await.run().await;
    left.completed();
    assert_eq!(left.stdout(), "given\n1000\nread-only\na b=c\n777\n");
    assert_eq!(
        (left.file("outputs/o"), left.file("artifacts/a")),
        ("out\n".into(), "art\n".into())
    );
    assert!(!Path::new(&left.folder.path().join("run/inputs/new")).exists());
}

/// Volumes that the image declares hide nothing of the run: neither inputs nor outputs.
#[tokio::test]
async fn volumes_of_the_image_below_folders_of_the_run() {
    let script = "cat /volume/given/in; echo y >/output/sub/y; echo z >/output/z; \
                  echo a >/artifacts/sub/a; echo c >/volume/cache/c && cat /volume/cache/c; \
                  touch /volume/given/new 2>/dev/null || echo read-only";
    let case = Case::with(script, |setup| {
        setup.image = ImageName::new(VOLUMES_IMAGE).unwrap();
        setup.artifacts_dir = Some(ContainerPath::new("/artifacts").unwrap());
        std::fs::create_dir(setup.directory.inputs().join("given")).unwrap();
        std::fs::write(setup.directory.inputs().join("given/in"), "given\n").unwrap();
        std::fs::create_dir(setup.directory.artifacts()).unwrap();
    });
    let left = case.await.run().await;
    left.completed();
    assert_eq!(left.stdout(), "given\nc\nread-only\n");
    for (path, text) in [("outputs/sub/y", "y\n"), ("outputs/z", "z\n"), ("artifacts/sub/a", "a\n")]
    {
        assert_eq!(left.file(path), text, "{path}");
    }
}

#[tokio::test]
async fn a_user_that_the_image_does_not_have_is_a_fault_of_the_image() {
    let change = |setup: &mut ContainerSetup| setup.image = ImageName::new(NO_USER_IMAGE).unwrap();
    let left = Case::with("true", change).await.run().await;
    let StepExit::Finished(Err(failure)) = &left.end else { panic!("{:?}", left.end) };
    assert_eq!(failure.kind, FailureKind::ImageUnavailable, "{failure:?}");
    assert!(failure.message.contains("unable to find user"), "{failure:?}");
}

#[tokio::test]
async fn may_do_nothing_that_it_need_not() {
    let script = "grep -E '^(Cap|NoNewPrivs)' /proc/self/status; ls /sys/class/net; ulimit -Hn; \
                  df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2";
    let case = Case::with(script, |setup| setup.profile.shared_memory_bytes = 3 * 1024 * 1024);
    let left = case.await.run().await;
    left.completed();
    let text = left.stdout();
    let lines: Vec<&str> = text.lines().collect();
    let none = "0000000000000000";
    for (line, name) in lines.iter().zip(["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]) {
        assert_eq!(*line, format!("{name}:\t{none}"));
    }
    assert_eq!(lines[5..7], ["NoNewPrivs:\t1", "lo"]);
    let open_files: u64 = lines[7].parse().unwrap();
    assert!(open_files <= 1_048_576);
    assert_eq!(lines[8..], ["3072"]);
}

#[tokio::test]
async fn no_output_is_lost() {
    let left = Case::new("seq 1 200000; echo end >&2").await.run().await;
    left.completed();
    let expected: String =
        (1..=200_000).flat_map(|number| [number.to_string(), "\n".to_owned()]).collect();
    assert!(expected.len() > 1_000_000);
    assert!(left.stdout() == expected, "{} of {} bytes", left.stdout().len(), expected.len());
    assert_eq!(left.file("logs/stderr.log"), "end\n");
}
