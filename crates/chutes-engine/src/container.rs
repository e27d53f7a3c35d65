//! Containers: making, starting, watching, signalling and removing one.

mod body;
mod usage;

use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerInspectResponse, MountPoint};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, KillContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep};

pub use self::body::{ContainerBody, EngineLog, FolderMount, GpuAccess, PublishedPort, Ulimit};
use super::answer::accept_unknown_states;
use super::{Engine, EngineError};

/// How long an engine may take to remove a container after it has accepted the request.
const REMOVE_TIME: Duration = Duration::from_secs(10);

/// The state of a container, as far as the engine reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerState {
    /// Whether it runs; `None` when the engine does not say.
    pub running: Option<bool>,
    /// Whether it is paused.
    pub paused: bool,
    /// Its exit code.
    pub exit_code: Option<i64>,
    /// Whether it ran out of memory.
    pub oom_killed: bool,
    /// Its first process, as the machine of the engine counts them.
    pub pid: Option<i32>,
    /// The signal that asks it to stop, if its image declares one.
    pub stop_signal: Option<String>,
}

/// A container that was created.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CreatedContainer {
    /// Its id, which no other container ever has.
    pub id: String,
    /// The warnings of the engine.
    pub warnings: Vec<String>,
}

impl Engine {
    /// Creates a container of this name.
    #[must_use = "nothing happens before it is awaited"]
    pub fn create<'a>(
        &'a self,
        name: &'a str,
        body: &'a ContainerBody,
    ) -> BoxFuture<'a, Result<CreatedContainer, EngineError>> {
        Box::pin(async move {
            let options = CreateContainerOptionsBuilder::new().name(name).build();
            let created = self.docker.create_container(Some(options), body.to_api()).await;
            let created = created.map_err(|error| self.failed("create the container", &error))?;
            let warnings = created.warnings.into_iter().filter(|warning| !warning.is_empty());
            Ok(CreatedContainer { id: created.id, warnings: warnings.collect() })
        })
    }

    /// Starts a container that was created.
    #[must_use = "nothing happens before it is awaited"]
    pub fn start<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let started = self.docker.start_container(name, None::<StartContainerOptions>).await;
            started.map_err(|error| self.failed("start the container", &error))
        })
    }

    /// The state of a container; `None` when the engine says nothing about it.
    #[must_use = "nothing happens before it is awaited"]
    pub fn inspect<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<ContainerState>, EngineError>> {
        Box::pin(async move { Ok(state(self.about(name).await?)) })
    }

    /// The folders of this machine that a container sees.
    #[must_use = "nothing happens before it is awaited"]
    pub fn mounts<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<FolderMount>, EngineError>> {
        Box::pin(async move {
            let about = self.about(name).await?;
            Ok(about.mounts.unwrap_or_default().into_iter().filter_map(folder).collect())
        })
    }

    /// What the engine says about a container.
    async fn about(&self, name: &str) -> Result<ContainerInspectResponse, EngineError> {
        let answer = self.docker.inspect_container(name, None::<InspectContainerOptions>).await;
        accept_unknown_states(answer).map_err(|error| self.failed("look for the container", &error))
    }

    /// Waits until the container does not run. Returns `false` when the engine has stopped answering instead.
    #[must_use = "nothing happens before it is awaited"]
    pub fn wait<'a>(&'a self, name: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
            let mut answers = Box::pin(self.docker.wait_container(name, Some(options)));
            // The client library reports an exit code that is not zero as an error.
            matches!(
                answers.next().await,
                Some(Ok(_) | Err(Error::DockerContainerWaitError { .. }))
            )
        })
    }

    /// Sends a signal, by its name, to the first process of a container. Returns `false` when it has ended.
    #[must_use = "nothing happens before it is awaited"]
    pub fn kill<'a>(
        &'a self,
        name: &'a str,
        signal: &'a str,
    ) -> BoxFuture<'a, Result<bool, EngineError>> {
        Box::pin(async move {
            let options = KillContainerOptionsBuilder::new().signal(signal).build();
            let sent = self.docker.kill_container(name, Some(options)).await;
            match sent.map_err(|error| self.failed("send a signal", &error)) {
                Ok(()) => Ok(true),
                Err(error) if error.is_unknown() || error.is_conflict() => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    /// Removes a container, running or not, with its anonymous volumes, and makes sure that it is gone.
    /// Returns `false` when there was none.
    #[must_use = "nothing happens before it is awaited"]
    pub fn remove<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<bool, EngineError>> {
        Box::pin(self.remove_until_gone(name))
    }

    async fn remove_until_gone(&self, name: &str) -> Result<bool, EngineError> {
        let until = Instant::now() + REMOVE_TIME;
        let mut was_there = false;
        loop {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            let removed = self.docker.remove_container(name, Some(options)).await;
            let inspected = self.inspect(name).await;
            if inspected.as_ref().is_err_and(EngineError::is_unknown) {
                return Ok(was_there || removed.is_ok());
            }
            was_there = true;
            if Instant::now() > until {
                return Err(match (removed, inspected) {
                    (Err(error), _) => self.failed("remove a container", &error),
                    (Ok(()), Err(error)) => error,
                    (Ok(()), Ok(_)) => EngineError::Stays { name: name.to_owned() },
                });
            }
            // The engine may still be removing it, and has no event for its end.
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn state(about: ContainerInspectResponse) -> Option<ContainerState> {
    let state = about.state?;
    Some(ContainerState {
        running: state.running,
        paused: state.paused == Some(true),
        exit_code: state.exit_code,
        oom_killed: state.oom_killed == Some(true),
        pid: process_id(state.pid),
        stop_signal: about
            .config
            .and_then(|config| config.stop_signal)
            .filter(|signal| !signal.is_empty()),
    })
}

/// The id of a process; the engine reports zero for one that has ended.
pub(super) fn process_id(reported: Option<i64>) -> Option<i32> {
    reported.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 0)
}

fn folder(mount: MountPoint) -> Option<FolderMount> {
    let (source, target) = (mount.source?, mount.destination?);
    // What is not known to be writable is left alone.
    let folder = FolderMount { source, target, read_only: mount.rw != Some(true) };
    (mount.typ.as_deref() == Some("bind")).then_some(folder)
}
