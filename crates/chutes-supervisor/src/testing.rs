//! Shared by the tests of this crate: a worker whose job is a function of the test.

use std::future::ready;
use std::io;
use std::path::Path;

use chutes_core::{
    JobContract, JobName, JobSpec, Json, Outcome, Ports, Progress, RunId, RunRequest, SinkSpec,
    SourceLocation,
};
use tokio::sync::watch;

use crate::worker::{Answer, Force, StartWorker, Step, StepExit, Worker, WorkerContext};
use crate::{RunDirectory, Supervisor};

/// The code of a job, which runs synchronously in the directory of the run.
pub(crate) type Job = fn(&RunDirectory) -> Json;

/// Starts a worker that calls a function.
pub(crate) struct Function(pub(crate) Job);

impl StartWorker for Function {
    fn is_isolated(&self) -> bool {
        false
    }

    fn start(
        self: Box<Self>,
        context: WorkerContext,
    ) -> Answer<'static, io::Result<Box<dyn Worker>>> {
        let worker = FunctionWorker { job: self.0, directory: context.run.directory, result: None };
        Box::pin(ready(Ok(Box::new(worker) as Box<dyn Worker>)))
    }
}

struct FunctionWorker {
    job: Job,
    directory: RunDirectory,
    result: Option<Json>,
}

impl Worker for FunctionWorker {
    fn begin(&mut self, step: Step) -> Answer<'_, ()> {
        self.result = Some(match step {
            Step::Job { .. } => (self.job)(&self.directory),
            _ => Json::null(),
        });
        Box::pin(ready(()))
    }

    fn ended(&mut self) -> Answer<'_, StepExit> {
        let result = self.result.take().unwrap_or_else(Json::null);
        Box::pin(ready(StepExit::Finished(Ok(result))))
    }

    fn cancel(&mut self) -> Answer<'_, ()> {
        Box::pin(ready(()))
    }

    fn force(&mut self, _urgent: bool) -> Answer<'_, Force> {
        Box::pin(ready(Force::Aborted))
    }

    fn progress(&self) -> watch::Receiver<Option<Progress>> {
        watch::channel(None).1
    }
}

/// A job that writes one output.
pub(crate) fn leaves_a_word(directory: &RunDirectory) -> Json {
    std::fs::write(directory.outputs().join("word.txt"), "word").unwrap();
    Json::parse("7").unwrap()
}

/// An attempt of a job; `upload` is whether its files may leave its directory.
pub(crate) fn attempt(path: &Path, upload: bool, sinks: Vec<SinkSpec>) -> Supervisor {
    let name = JobName::new("leaves_a_word").unwrap();
    let contract = JobContract {
        name: name.clone(),
        summary: "".into(),
        timeout: None,
        ports: Ports::new(Vec::new(), false).unwrap(),
        upload,
        data_schema: None,
        result_schema: None,
        source: SourceLocation { file: "a.rs".into(), line: 1, module: "a".into() },
    };
    let spec = JobSpec::job(name, Json::empty_object());
    let request = RunRequest::new(RunId::from_bytes([7; 16]), spec, path);
    Supervisor::new(RunRequest { sinks, ..request }).contract(contract)
}

/// Takes an attempt to its outcome.
pub(crate) async fn execute(path: &Path) -> Outcome {
    let created = attempt(path, true, Vec::new()).create().unwrap();
    created.supervise(Function(leaves_a_word)).await
}
