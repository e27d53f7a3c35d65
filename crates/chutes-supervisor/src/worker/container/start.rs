//! Creates and starts the container of a setup.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bollard::errors::Error;
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};
use chutes_core::FailureKind;
use chutes_engine::{Engine, EngineError, words};

use super::super::{StepExit, StepFailure};
use super::body::{Gpu, HostLimits, body};
use super::dropped_limit::DroppedLimit;
use super::ending::not_started;
use super::logs::{self, Attached};
use super::ports::no_port;
use super::{Shared, StopRequest, failed};

/// The device file of a machine that has NVIDIA GPUs.
const GPU_DEVICE: &str = "/dev/nvidiactl";

/// The files of the Container Device Interface that describe the GPUs of a machine.
const GPU_DEVICE_FILES: [&str; 2] = ["/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml"];

/// A running container.
pub(super) struct Started {
    pub(super) attached: Attached,
    /// The memory limit in force.
    pub(super) memory_limit: Option<u64>,
}

/// Creates a container and starts it. A limit that the engine refuses and the run can do without is dropped with
/// a warning.
///
/// The caller removes the container, also when this fails.
pub(super) async fn start(shared: &Shared) -> Result<Started, StepExit> {
    let engine = shared.engine().map_err(|error| ended(&error))?;
    prepare_folders(shared).map_err(|error| {
        let message = format!("the directory of the run cannot be given to a container: {error}");
        StepExit::Finished(Err(StepFailure::new(FailureKind::Platform, message)))
    })?;
    let gpu = gpu(shared, engine).await;
    let mut dropped = Vec::new();
    loop {
        let error = match attempt(shared, engine, gpu, &dropped).await {
            Ok(attached) => {
                let memory = shared.setup.profile.memory_bytes;
                let memory_limit = memory.filter(|_| !dropped.contains(&DroppedLimit::Memory));
                return Ok(Started { attached, memory_limit });
            }
            Err(error) => error,
        };
        let wanted = match &error {
            Failed::Request(_, source) => {
                let words = words(source);
                if let Some(end) = no_port(&words, &shared.setup).or_else(|| not_started(&words)) {
                    return Err(end);
                }
                DroppedLimit::from_refusal(&words).filter(|it| !dropped.contains(it))
            }
            Failed::Other(_) => None,
        };
        let (Some(limit), Failed::Request(_, source)) = (wanted, &error) else {
            return Err(error.end(engine));
        };
        let (without, why) = (limit.in_words(), words(source));
        shared.warn(format!("the container runs without {without}: {why}"));
        dropped.push(limit);
        engine.remove(&shared.name()).await.map_err(|error| ended(&error))?;
    }
}

/// Why a container was not started.
enum Failed {
    Request(&'static str, Error),
    Other(StepExit),
}

impl Failed {
    fn end(self, engine: &Engine) -> StepExit {
        match self {
            Self::Request(action, source) => ended(&engine.failed(action, source)),
            Self::Other(end) => end,
        }
    }
}

fn ended(error: &EngineError) -> StepExit {
    StepExit::Finished(Err(failed(error)))
}

async fn attempt(
    shared: &Shared,
    engine: &Engine,
    gpu: Gpu,
    dropped: &[DroppedLimit],
) -> Result<Attached, Failed> {
    let name = shared.name();
    let body = body(&shared.setup, HostLimits::of_this_process(), gpu, dropped)
        .map_err(|error| Failed::Other(ended(&error)))?;
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let created = engine.docker().create_container(Some(options), body).await;
    let created = created.map_err(|error| Failed::Request("create the container", error))?;
    for warning in created.warnings.iter().filter(|warning| !warning.is_empty()) {
        shared.warn(format!("the container engine warns: {warning}"));
    }
    let attached = logs::attach(engine, &name).await;
    let attached = attached.map_err(|error| Failed::Request("read the output", error))?;
    // This is the last moment before the container runs, so a request to stop is honoured here.
    if *shared.stop_request.borrow() > StopRequest::None {
        let message = "the container was not started";
        let failure = StepFailure::new(FailureKind::Cancelled, message);
        return Err(Failed::Other(StepExit::Finished(Err(failure))));
    }
    let started = engine.docker().start_container(&name, None::<StartContainerOptions>).await;
    started.map_err(|error| Failed::Request("start the container", error))?;
    Ok(attached)
}

/// Makes the mounted folders accessible for every user: only the owner can enter the directory of the run, and
/// the image may run as any user.
fn prepare_folders(shared: &Shared) -> io::Result<()> {
    let directory = &shared.setup.directory;
    let allow = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode));
    if shared.setup.artifacts_dir.is_some() {
        allow(&directory.artifacts(), 0o777)?;
    }
    allow(directory.outputs(), 0o777)?;
    allow(directory.inputs(), 0o755)
}

/// The GPUs that the container gets, if its class has any.
async fn gpu(shared: &Shared, engine: &Engine) -> Gpu {
    let profile = &shared.setup.profile;
    if !profile.gpu {
        return Gpu::None;
    }
    let has_files = engine.is_local() && GPU_DEVICE_FILES.iter().any(|it| Path::new(it).exists());
    if has_files && engine.is_podman().await {
        return Gpu::Device;
    }
    let has_device = engine.is_local() && Path::new(GPU_DEVICE).exists();
    let info = engine.docker().info().await.unwrap_or_default();
    let has_runtime = info.runtimes.unwrap_or_default().contains_key("nvidia");
    if has_device || has_runtime {
        return Gpu::Request;
    }
    let class = profile.name;
    let message = "has a GPU, this machine has none; the run goes on without";
    shared.warn(format!("the class `{class}` {message}"));
    Gpu::None
}
