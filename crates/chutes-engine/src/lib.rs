//! The container engine: Docker or Podman, through the Docker API.
//!
//! This is an internal component of chutes, without a promise of stability. An [`Engine`] is a connection
//! to an engine that has answered. It pulls images, makes and watches containers, passes their output on, runs
//! further commands in them, and finds the containers that dead supervisors have left behind. It does not
//! know what a run does with its container, nor how much the container may use.
//!
//! The client library of the API is used here only. Its functions are generic, so each crate that called them would
//! compile them again.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use chutes_core::{EngineRequest, EventReporter, ImageName, PullPolicy};
//! use chutes_engine::Engine;
//!
//! let engine = Engine::connect(&EngineRequest::default()).await?;
//! let image = ImageName::new("docker.io/library/busybox:1.36")?;
//! engine.have_image(&image, PullPolicy::Missing, &EventReporter::none()).await?;
//! # Ok(()) }
//! ```

mod address;
mod answer;
mod archive;
mod container;
mod error;
mod exec;
mod image;
mod leftovers;
mod output;
mod supervisor;

use std::time::Duration;

use bollard::errors::Error;
use bollard::{ClientVersion, Docker};
use chutes_core::EngineRequest;
use futures_util::future::BoxFuture;
use tokio::time::timeout;

use self::address::{Address, candidates};
pub use self::archive::{FileContent, OpenedFolder};
pub use self::container::{
    ContainerBody, ContainerState, CreatedContainer, EngineLog, FolderMount, GpuAccess,
    PublishedPort, Ulimit,
};
pub use self::error::EngineError;
use self::error::{status_code, words};
pub use self::exec::{ExecRequest, ExecState, ExecStreams, copy_frames, copy_plain};
pub use self::leftovers::{labels, name, record_container};
pub use self::output::ContainerOutput;

/// A version of the API that all engines of the last years support, and that Podman supports best.
/// Negotiating a version would take Podman a second.
const OLD_API: &ClientVersion = &ClientVersion { major_version: 1, minor_version: 41 };

/// How long an engine may take to answer the first request.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long an engine may take to begin its answer to a request, in seconds.
const ANSWER_SECONDS: u64 = 120;

/// A connection to an engine, with a negotiated API version.
#[derive(Clone, Debug)]
pub struct Engine {
    docker: Docker,
    address: Address,
}

impl Engine {
    /// Connects to the engine. Sockets that do not answer are skipped.
    #[must_use = "nothing happens before it is awaited"]
    pub fn connect(settings: &EngineRequest) -> BoxFuture<'_, Result<Self, EngineError>> {
        Box::pin(Self::first_that_answers(settings))
    }

    async fn first_that_answers(settings: &EngineRequest) -> Result<Self, EngineError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut tried = Vec::new();
        for candidate in candidates(settings.host.as_deref(), variable) {
            match Self::at(&candidate).await {
                Ok(engine) => return Ok(engine),
                Err(error) => tried.push(format!("{candidate}: {error}")),
            }
        }
        Err(EngineError::Unreachable { tried: tried.join("; ") })
    }

    async fn at(candidate: &str) -> Result<Self, String> {
        let address = Address::parse(candidate)?;
        let docker = match &address {
            Address::Socket(path) => Docker::connect_with_unix(path, ANSWER_SECONDS, OLD_API),
            Address::Tcp(url) => Docker::connect_with_http(url, ANSWER_SECONDS, OLD_API),
        };
        let docker = docker.map_err(|error| words(&error))?;
        let negotiated = async {
            match docker.ping().await {
                // A Docker that no longer supports this version answers with 400.
                Err(error) if status_code(&error) == Some(400) => docker.negotiate_version().await,
                answer => answer.map(|_| docker),
            }
        };
        let negotiated =
            timeout(CONNECT_TIME, negotiated).await.map_err(|_| "it does not answer")?;
        let docker = negotiated.map_err(|error| words(&error))?;
        Ok(Self { docker, address })
    }

    /// The address of the engine: `unix://` and a path, or a URL.
    fn address(&self) -> String {
        self.address.to_string()
    }

    /// Whether the containers of the engine run on this machine, as far as is known.
    #[must_use]
    pub fn is_local(&self) -> bool {
        matches!(self.address, Address::Socket(_))
    }

    /// Whether the engine is Podman. Podman takes a second to answer this.
    #[must_use = "nothing happens before it is awaited"]
    pub fn is_podman(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let version = self.docker.version().await.ok();
            let components = version.and_then(|version| version.components).unwrap_or_default();
            components.iter().any(|component| component.name.contains("Podman"))
        })
    }

    /// Whether the engine has a runtime that passes GPUs on.
    #[must_use = "nothing happens before it is awaited"]
    pub fn has_gpu_runtime(&self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let info = self.docker.info().await.unwrap_or_default();
            info.runtimes.unwrap_or_default().contains_key("nvidia")
        })
    }

    /// An error of a request, with the action that it was for.
    fn failed(&self, action: &'static str, source: &Error) -> EngineError {
        EngineError::Failed {
            address: self.address.to_string(),
            action,
            reason: words(source),
            status: status_code(source),
        }
    }
}
