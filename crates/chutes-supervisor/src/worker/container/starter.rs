//! Starting the image of a spec in a container, and ending the container of a run whose supervisor is gone.

use std::future::ready;
use std::io;

use chutes_core::{EngineRequest, RunId, Work};
use chutes_engine::Engine;

use super::super::{Answer, OutputSettings, StartWorker, Worker, WorkerContext};
use super::{ContainerSetup, ContainerWorker};

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

/// Ends the container of a run without a supervisor, if it is still there.
pub(crate) async fn remove_container(run_id: RunId) -> Result<(), String> {
    let removed = match Engine::connect(&EngineRequest::default()).await {
        Ok(engine) => engine.remove_of_run(run_id).await,
        Err(error) => Err(error),
    };
    let left = |error| format!("the container of the run may still be there: {error}");
    removed.map(drop).map_err(left)
}
