//! A run between its making and its start.

use std::sync::Arc;

use chutes_core::{FileKind, Outcome};

use super::deliver::Sinks;
use super::directory::RunRoot;
use super::journal::Journal;
use super::output::Output;
use super::worker::{ProcessWorker, Spawn, Worker};
use super::{Run, RunDirectory, supervise};

/// A run that has its directory and has not started.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use chutes_runtime::{Json, JobContext, JobError, Registry, Run};
/// #[chutes_runtime::job]
/// async fn reads_an_input(ctx: JobContext) -> Result<String, JobError> {
///     Ok(std::fs::read_to_string(ctx.input_dir().join("name.txt"))?)
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let directory = folder.path().join("run");
/// let job = Registry::collect()?.get("reads_an_input")?.clone();
/// let created = Run::new(job, directory).create()?;
/// std::fs::write(created.directory().inputs().join("name.txt"), "Ada")?;
/// let outcome = created.execute().await;
/// assert_eq!(outcome.result, Some(Json::parse(r#""Ada""#)?));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct CreatedRun {
    pub(super) run: Run,
    pub(super) directory: RunDirectory,
    pub(super) root: Arc<RunRoot>,
    pub(super) journal: Journal,
    pub(super) sinks: Sinks,
}

impl CreatedRun {
    /// The directory of the run.
    #[must_use]
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Runs the job to its outcome; see [`Run::execute`].
    pub async fn execute(self) -> Outcome {
        supervise::supervise(self).await
    }

    /// Runs the job to its outcome, with user code in a process of its own: this binary, whose `main`
    /// must be that of the command line.
    #[cfg_attr(
        not(feature = "command-line"),
        expect(dead_code, reason = "only the command line uses it")
    )]
    pub(crate) async fn execute_in_process(self, spawn: Spawn) -> Outcome {
        let (root, memory) = (Arc::clone(&self.root), self.run.spec.memory_bytes);
        supervise::supervise_in(self, move |job, setup, events| {
            let events = events.clone();
            async move {
                let logs = root.folder(FileKind::Log)?;
                let output = |out, err| Output::start((out, err), spawn, &logs, &events);
                let worker = ProcessWorker::start(&job, setup, memory, output).await?;
                Ok(Worker::Process(Box::new(worker)))
            }
        })
        .await
    }
}
