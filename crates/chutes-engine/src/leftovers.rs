//! Containers whose supervisor is dead.
//!
//! A container outlives the supervisor that has started it. It is recognised by its labels: the run that it
//! belongs to, and the process that supervises it.

use std::collections::HashMap;

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use chutes_core::RunId;
use futures_util::future::BoxFuture;

use super::answer::accept_unknown_states;
use super::supervisor::Supervisor;
use super::{Engine, EngineError};

/// The label with the run id.
pub(super) const RUN_ID: &str = "dev.chutes.run-id";

/// The label with the process that supervises the container.
pub(super) const SUPERVISOR: &str = "dev.chutes.supervisor";

impl Engine {
    /// Removes the containers whose supervisor is known to be dead, never those of a living one or of
    /// another machine. Returns warnings.
    #[must_use = "nothing happens before it is awaited"]
    pub fn remove_leftovers(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(self.remove_all_leftovers())
    }

    async fn remove_all_leftovers(&self) -> Vec<String> {
        let listed = match self.with_label(SUPERVISOR.to_owned()).await {
            Ok(listed) => listed,
            Err(error) => return vec![format!("leftover containers stay: {error}")],
        };
        let Ok(here) = Supervisor::this() else { return Vec::new() };
        let mut warnings = Vec::new();
        for id in listed.into_iter().filter_map(|container| id_if_dead(container, &here)) {
            if let Err(error) = self.remove(&id).await {
                warnings.push(format!("a leftover container stays: {error}"));
            }
        }
        warnings
    }

    /// Removes the container of a run whose supervisor is dead. Returns `false` when there is none.
    #[must_use = "nothing happens before it is awaited"]
    pub fn remove_of_run(&self, run_id: RunId) -> BoxFuture<'_, Result<bool, EngineError>> {
        Box::pin(async move {
            let mut was_there = false;
            for container in self.with_label(format!("{RUN_ID}={run_id}")).await? {
                if let Some(id) = container.id {
                    was_there |= self.remove(&id).await?;
                }
            }
            Ok(was_there)
        })
    }

    async fn with_label(&self, label: String) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.docker.list_containers(Some(options)).await;
        accept_unknown_states(listed).map_err(|error| self.failed("list containers", &error))
    }
}

/// The id of the container, if its supervisor is known to be dead.
fn id_if_dead(container: ContainerSummary, here: &Supervisor) -> Option<String> {
    let supervisor = Supervisor::parse(container.labels?.get(SUPERVISOR)?)?;
    if supervisor.is_dead(here) { container.id } else { None }
}
