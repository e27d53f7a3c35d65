//! Starting the image of a spec in a container, and ending the container of a run whose supervisor is gone.

use std::future::ready;
use std::io;
use std::time::Duration;

use chutes_core::{EngineRequest, RunId, Work};
use chutes_engine::{Engine, EngineError};
use rustix::process::geteuid;
use tokio::time::timeout;

use super::super::{Answer, OutputSettings, StartWorker, Worker, WorkerContext};
use super::{ContainerSetup, ContainerWorker, KILL_TIME, closed_files};

/// How long it may take to make the files of a container accessible for this user.
const TAKE_OVER_TIME: Duration = Duration::from_mins(10);

/// Starts the image of a spec in a container.
#[derive(Debug)]
pub struct ContainerStarter {
    /// Which engine, and when it pulls.
    pub engine: EngineRequest,
    /// What becomes of what the container prints.
    pub output: OutputSettings,
}

impl StartWorker for ContainerStarter {
    fn start(
        self: Box<Self>,
        context: WorkerContext,
    ) -> Answer<'static, io::Result<Box<dyn Worker>>> {
        let start = move || {
            let logs = context.logs()?;
            let WorkerContext { run, env, work, profile, artifacts_dir, events, .. } = context;
            let Work::Image { image, args, network, ports: _ } = work else {
                return Err(io::Error::other("a job does not run in a container of its own"));
            };
            let setup = ContainerSetup {
                run_id: run.run_id,
                image,
                args,
                env,
                network,
                ports: run.ports,
                profile,
                artifacts_dir,
                directory: run.directory,
                engine: self.engine,
            };
            let worker = ContainerWorker::start(setup, self.output, &logs, &events)?;
            Ok(Box::new(worker) as Box<dyn Worker>)
        };
        Box::pin(ready(start()))
    }
}

/// Ends the container of a run without a supervisor, if it is still there. Returns warnings.
pub(crate) async fn remove_container(run_id: RunId) -> Vec<String> {
    let left = |error| vec![format!("the container of the run may still be there: {error}")];
    match Engine::connect(&EngineRequest::default()).await {
        Ok(engine) => remove_of_run(&engine, run_id).await.unwrap_or_else(left),
        Err(error) => left(error),
    }
}

/// Ends the container of a run. Returns warnings.
pub(super) async fn remove_of_run(
    engine: &Engine,
    run_id: RunId,
) -> Result<Vec<String>, EngineError> {
    remove_all(engine, engine.containers_of_run(run_id).await?).await
}

/// Ends the containers of supervisors that are known to be dead. Returns warnings.
pub(super) async fn remove_leftovers(engine: &Engine) -> Vec<String> {
    let removed = match engine.leftovers().await {
        Ok(left) => remove_all(engine, left).await,
        Err(error) => Err(error),
    };
    removed.unwrap_or_else(|error| vec![format!("a leftover container may stay: {error}")])
}

async fn remove_all(engine: &Engine, ids: Vec<String>) -> Result<Vec<String>, EngineError> {
    let (mut warnings, mut failure) = (Vec::new(), None);
    for id in ids {
        // One that has ended cannot be killed, and its removal ends one that has not.
        let _ = engine.kill(&id, "SIGKILL").await;
        let _ = timeout(KILL_TIME, engine.wait(&id)).await;
        warnings.extend(take_over(engine, &id).await);
        failure = engine.remove(&id).await.err().or(failure);
    }
    failure.map_or(Ok(warnings), Err)
}

/// Makes the files of a container that has ended accessible for this user. Returns warnings.
pub(super) async fn take_over(engine: &Engine, container: &str) -> Vec<String> {
    let user = geteuid();
    // The superuser may read and remove everything, and files on another machine are not those of the run.
    if user.is_root() || !engine.is_local() {
        return Vec::new();
    }
    let taken = closed_files::take_over(engine, container, user.as_raw());
    timeout(TAKE_OVER_TIME, taken).await.unwrap_or_else(|_| {
        vec!["files of the container that belong to another user were not all read: it takes too long".to_owned()]
    })
}
