//! Creates and starts the container of a setup.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use chutes_core::FailureKind;
use chutes_engine::{ContainerOutput, Engine, EngineError, FolderMount, GpuAccess};

use super::super::{StepExit, StepFailure};
use super::body::{HostLimits, body};
use super::dropped_limit::DroppedLimit;
use super::ending::not_started;
use super::ports::no_port;
use super::{Shared, StopRequest, failed, hosts, volumes};

/// The device file of a machine that has NVIDIA GPUs.
const GPU_DEVICE: &str = "/dev/nvidiactl";

/// The files of the Container Device Interface that describe the GPUs of a machine.
const GPU_DEVICE_FILES: [&str; 2] = ["/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml"];

/// A running container.
pub(super) struct Started {
    pub(super) attached: ContainerOutput,
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
    let declared = engine.declared_volumes(&shared.setup.image).await;
    let declared = declared.map_err(|error| ended(&error))?;
    let volumes = volumes::mounts_below(&shared.setup, &declared)?;
    let gpu = gpu(shared, engine).await;
    let mut dropped = Vec::new();
    loop {
        let error = match attempt(shared, engine, (gpu, &volumes), &dropped).await {
            Ok(attached) => {
                let memory = shared.setup.profile.memory_bytes;
                let memory_limit = memory.filter(|_| !dropped.contains(&DroppedLimit::Memory));
                return Ok(Started { attached, memory_limit });
            }
            Err(error) => error,
        };
        let wanted = match &error {
            Failed::Request(source) => {
                let words = source.reason();
                if let Some(end) = no_port(&words, &shared.setup).or_else(|| not_started(&words)) {
                    return Err(end);
                }
                DroppedLimit::from_refusal(&words).filter(|it| !dropped.contains(it))
            }
            Failed::Other(_) => None,
        };
        let (Some(limit), Failed::Request(source)) = (wanted, &error) else {
            return Err(error.end());
        };
        let (without, why) = (limit.in_words(), source.reason());
        shared.warn(format!("the container runs without {without}: {why}"));
        dropped.push(limit);
        engine.remove(&shared.name()).await.map_err(|error| ended(&error))?;
    }
}

/// Why a container was not started.
enum Failed {
    Request(EngineError),
    Other(StepExit),
}

impl Failed {
    fn end(self) -> StepExit {
        match self {
            Self::Request(error) => ended(&error),
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
    (gpu, volumes): (GpuAccess, &[FolderMount]),
    dropped: &[DroppedLimit],
) -> Result<ContainerOutput, Failed> {
    let name = shared.name();
    let mut body = body(&shared.setup, HostLimits::of_this_process(), gpu, dropped)
        .map_err(|error| Failed::Other(ended(&error)))?;
    body.mounts.extend_from_slice(volumes);
    let created = engine.create(&name, &body).await.map_err(Failed::Request)?;
    for warning in created.warnings {
        shared.warn(format!("the container engine warns: {warning}"));
    }
    if let Err(error) = chutes_engine::record_container(shared.setup.directory.root(), &created.id)
    {
        shared.warn(format!("the id of the container cannot be written down: {error}"));
    }
    let attached = engine.attach(&name).await.map_err(Failed::Request)?;
    // This is the last moment before the container runs, so a request to stop is honoured here.
    if *shared.stop_request.borrow() > StopRequest::None {
        let message = "the container was not started";
        let failure = StepFailure::new(FailureKind::Cancelled, message);
        return Err(Failed::Other(StepExit::Finished(Err(failure))));
    }
    engine.start(&name).await.map_err(Failed::Request)?;
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
    allow(directory.inputs(), 0o755)?;
    hosts::write(&shared.setup)
}

/// The GPUs that the container gets, if its class has any.
async fn gpu(shared: &Shared, engine: &Engine) -> GpuAccess {
    let profile = &shared.setup.profile;
    if !profile.gpu {
        return GpuAccess::None;
    }
    let has_files = engine.is_local() && GPU_DEVICE_FILES.iter().any(|it| Path::new(it).exists());
    if has_files && engine.is_podman().await {
        return GpuAccess::Device;
    }
    let has_device = engine.is_local() && Path::new(GPU_DEVICE).exists();
    if has_device || engine.has_gpu_runtime().await {
        return GpuAccess::Request;
    }
    let class = profile.name;
    let message = "has a GPU, this machine has none; the run goes on without";
    shared.warn(format!("the class `{class}` {message}"));
    GpuAccess::None
}
