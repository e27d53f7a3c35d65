//! A run between its making and its start.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

#[cfg(feature = "container")]
use chutes_core::Work;
use chutes_core::{FileKind, Outcome, PortAddress, SecretPairs};
use chutes_ports as port;

use super::deliver::Sinks;
use super::directory::RunRoot;
use super::journal::Journal;
use super::output::Output;
#[cfg(feature = "container")]
use super::worker::{ContainerSetup, ContainerWorker};
use super::worker::{ProcessWorker, Spawn, Worker};
use super::{Run, RunDirectory, supervise};
#[cfg(feature = "container")]
use crate::container::EngineSettings;

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
        // It is large, and a run is not started so often that the heap would matter.
        let run: Pin<Box<dyn Future<Output = Outcome> + Send>> =
            Box::pin(supervise::supervise(self));
        run.await
    }

    /// Runs the job to its outcome, with user code in a process of its own: this binary, whose `main`
    /// must be that of the command line.
    #[cfg_attr(
        not(feature = "command-line"),
        expect(dead_code, reason = "only the command line uses it")
    )]
    pub(crate) async fn execute_in_process(self, spawn: Spawn) -> Outcome {
        let (root, memory) = (Arc::clone(&self.root), self.run.profile().memory_bytes);
        let (job, env) = (self.run.job.clone(), self.run.spec.env.clone());
        supervise::supervise_in(self, true, move |setup, events| {
            let events = events.clone();
            async move {
                let env = with_ports(&env, &setup.ports);
                let logs = root.folder(FileKind::Log)?;
                let output = |out, err| Output::start((out, err), spawn, &logs, &events);
                let job = job.ok_or_else(|| io::Error::other("an image needs a container"))?;
                let worker = ProcessWorker::start(&job, setup, &env, memory, output).await?;
                Ok(Box::new(worker) as Box<dyn Worker>)
            }
        })
        .await
    }

    /// Runs the image of the spec to its outcome, in a container.
    #[cfg(feature = "container")]
    pub(crate) async fn execute_in_container(
        self,
        engine: EngineSettings,
        spawn: Spawn,
    ) -> Outcome {
        let (root, profile, spec) = (Arc::clone(&self.root), self.run.profile(), &self.run.spec);
        let (work, env) = (spec.work.clone(), spec.env.clone());
        let artifacts_dir = spec.artifacts_dir.clone();
        supervise::supervise_in(self, true, move |setup, events| {
            let events = events.clone();
            async move {
                let Work::Image { image, args, network, ports: _ } = work else {
                    return Err(io::Error::other("a job does not run in a container of its own"));
                };
                let env = with_ports(&env, &setup.ports);
                let setup = ContainerSetup {
                    run_id: setup.run_id,
                    image,
                    args,
                    env,
                    network,
                    ports: setup.ports,
                    profile,
                    artifacts_dir,
                    directory: setup.directory,
                    engine,
                };
                let logs = root.folder(FileKind::Log)?;
                let worker = ContainerWorker::start(setup, spawn, &logs, &events)?;
                Ok(Box::new(worker) as Box<dyn Worker>)
            }
        })
        .await
    }
}

/// The variables of the job, and those that tell it where its ports are. What the spec says wins.
fn with_ports(env: &SecretPairs, ports: &[PortAddress]) -> SecretPairs {
    let mut pairs = port::variables(ports);
    pairs.retain(|(name, _)| !env.reveal().iter().any(|(given, _)| given == name));
    pairs.extend(env.reveal().iter().cloned());
    SecretPairs::new(pairs)
}
