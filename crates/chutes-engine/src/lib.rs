//! The container engine: Docker or Podman, through the Docker API.
//!
//! This is an internal component of chutes, without a promise of stability. An [`Engine`] is a connection
//! to an engine that has answered: it pulls images, and it finds the containers that dead supervisors have
//! left behind. It does not know what a run does with its container, nor what the container may do.
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
mod error;
mod image;
mod leftovers;
mod supervisor;

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{InspectContainerOptions, RemoveContainerOptionsBuilder};
use bollard::{ClientVersion, Docker};
use chutes_core::{EngineRequest, RunId};
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep, timeout};

use self::address::{Address, candidates};
pub use self::error::{EngineError, status_code, words};
use self::supervisor::Supervisor;

/// A version of the API that all engines of the last years support, and that Podman supports best.
/// Negotiating a version would take Podman a second.
const OLD_API: &ClientVersion = &ClientVersion { major_version: 1, minor_version: 41 };

/// How long an engine may take to answer the first request.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long an engine may take to begin its answer to a request, in seconds.
const ANSWER_SECONDS: u64 = 120;

/// How long an engine may take to remove a container after it has accepted the request.
const REMOVE_TIME: Duration = Duration::from_secs(10);

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

    /// The client of the library, for requests to the engine.
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The address of the engine: `unix://` and a path, or a URL.
    #[must_use]
    pub fn address(&self) -> String {
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

    /// An error of a request, with the action that it was for.
    #[must_use]
    pub fn failed(&self, action: &'static str, source: bollard::errors::Error) -> EngineError {
        EngineError::Failed { address: self.address.to_string(), action, source: Box::new(source) }
    }

    /// Describes a container.
    #[must_use = "nothing happens before it is awaited"]
    pub fn inspect<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<ContainerInspectResponse, bollard::errors::Error>> {
        Box::pin(async {
            let options = None::<InspectContainerOptions>;
            answer::accept_unknown_states(self.docker.inspect_container(name, options).await)
        })
    }

    /// Removes a container, running or not, with its anonymous volumes, and makes sure that it is gone.
    /// Returns `false` when there was none.
    #[must_use = "nothing happens before it is awaited"]
    pub fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, EngineError>> {
        Box::pin(self.remove_until_gone(name))
    }

    async fn remove_until_gone(&self, name: &str) -> Result<bool, EngineError> {
        let failed = |error| self.failed("remove a container", error);
        let until = Instant::now() + REMOVE_TIME;
        let mut was_there = false;
        loop {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            let removed = self.docker.remove_container(name, Some(options)).await;
            let inspected = self.inspect(name).await;
            if inspected.as_ref().err().and_then(status_code) == Some(404) {
                return Ok(was_there || removed.is_ok());
            }
            was_there = true;
            if Instant::now() > until {
                return Err(match (removed, inspected) {
                    (Err(error), _) | (Ok(()), Err(error)) => failed(error),
                    (Ok(()), Ok(_)) => EngineError::Stays { name: name.to_owned() },
                });
            }
            // The engine may still be removing it, and has no event for its end.
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The name of the container of a run.
#[must_use]
pub fn name(run_id: RunId) -> String {
    format!("chutes-{run_id}")
}

/// The labels by which the container of a run is found again.
#[must_use]
pub fn labels(run_id: RunId) -> HashMap<String, String> {
    let mut labels = HashMap::from([(leftovers::RUN_ID.to_owned(), run_id.to_string())]);
    // A container without this label is never taken for a leftover; `recover` finds it by the run id.
    if let Ok(supervisor) = Supervisor::this() {
        labels.insert(leftovers::SUPERVISOR.to_owned(), supervisor.to_string());
    }
    labels
}
