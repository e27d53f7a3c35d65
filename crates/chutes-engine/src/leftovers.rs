//! Containers whose supervisor is dead.
//!
//! A container outlives the supervisor that has started it. Its labels say to which run it belongs, in which directory,
//! and which process supervises it. Labels prove nothing: a copy of a container (`commit`) has them, too, and so has
//! every container that is made from it. So a container is ours only if it also has the name of the container of its
//! run, and if the directory of the run, where that has a record, names this very one.

use std::collections::HashMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use chutes_core::RunId;
use futures_util::future::BoxFuture;

use super::answer::accept_unknown_states;
use super::supervisor::Supervisor;
use super::{Engine, EngineError};

/// The label with the run id.
const RUN_ID: &str = "dev.chutes.run-id";

/// The label with the process that supervises the container.
const SUPERVISOR: &str = "dev.chutes.supervisor";

/// The label with the directory of the run.
const DIRECTORY: &str = "dev.chutes.run-directory";

/// The file in the directory of a run that has the id of its container.
const RECORD: &str = "container.id";

/// How much of a record is read, in bytes.
const MAX_RECORD_BYTES: u64 = 1024;

/// The name of the container of a run.
#[must_use]
pub fn name(run_id: RunId) -> String {
    format!("chutes-{run_id}")
}

/// The labels of the container of a run with this directory.
#[must_use]
pub fn labels(run_id: RunId, directory: &str) -> HashMap<String, String> {
    let mut labels = HashMap::from([
        (RUN_ID.to_owned(), run_id.to_string()),
        (DIRECTORY.to_owned(), directory.to_owned()),
    ]);
    // A container without this label is never taken for a leftover; `recover` finds it by the run id.
    if let Ok(supervisor) = Supervisor::this() {
        labels.insert(SUPERVISOR.to_owned(), supervisor.to_string());
    }
    labels
}

/// Writes down in the directory of a run which container is its own. It does so before the container is started.
pub fn record_container(directory: &Path, id: &str) -> io::Result<()> {
    let path = directory.join(RECORD);
    std::fs::write(&path, format!("{id}\n")).inspect_err(|_| {
        // A record of another container would be worse than none.
        let _ = std::fs::remove_file(&path);
    })
}

impl Engine {
    /// The ids of the containers whose supervisor is known to be dead, never those of a living one or of
    /// another machine, nor those that are not ours.
    #[must_use = "nothing happens before it is awaited"]
    pub fn leftovers(&self) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        Box::pin(async {
            let listed = self.with_label(SUPERVISOR.to_owned()).await?;
            let Ok(here) = Supervisor::this() else { return Ok(Vec::new()) };
            let is_dead = |one: &Labelled| {
                let supervisor = one.labels.get(SUPERVISOR)?;
                Supervisor::parse(supervisor).map(|supervisor| supervisor.is_dead(&here))
            };
            let left = listed.into_iter().filter(|one| is_dead(one) == Some(true) && one.is_ours());
            Ok(left.map(|container| container.id).collect())
        })
    }

    /// The ids of the containers that a run has started: one at most, unless an engine has lost track.
    #[must_use = "nothing happens before it is awaited"]
    pub fn containers_of_run(
        &self,
        run_id: RunId,
    ) -> BoxFuture<'_, Result<Vec<String>, EngineError>> {
        Box::pin(async move {
            let labelled = self.with_label(format!("{RUN_ID}={run_id}")).await?;
            let ours = labelled.into_iter().filter(Labelled::is_ours);
            Ok(ours.map(|container| container.id).collect())
        })
    }

    async fn with_label(&self, label: String) -> Result<Vec<Labelled>, EngineError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = accept_unknown_states(listed)
            .map_err(|error| self.failed("list containers", &error))?;
        Ok(listed.into_iter().filter_map(Labelled::of).collect())
    }
}

/// A container with labels of ours.
#[derive(Debug)]
struct Labelled {
    id: String,
    names: Vec<String>,
    labels: HashMap<String, String>,
}

impl Labelled {
    fn of(container: ContainerSummary) -> Option<Self> {
        let (id, labels) = (container.id?, container.labels?);
        Some(Self { id, names: container.names.unwrap_or_default(), labels })
    }

    /// Whether it is the container that the run of its labels has started, and not a copy.
    fn is_ours(&self) -> bool {
        let Some(run_id) = self.labels.get(RUN_ID) else { return false };
        let name = format!("chutes-{run_id}");
        // Engines write a name as a path.
        let has_name = self.names.iter().any(|one| one.trim_start_matches('/') == name);
        let directory = self.labels.get(DIRECTORY).map(PathBuf::from);
        has_name
            && match directory.as_deref().map(recorded) {
                Some(Ok(id)) => id == self.id,
                // The directory of the run is gone, or the supervisor has ended before it could write.
                Some(Err(error)) => error.kind() == io::ErrorKind::NotFound,
                // A container of an earlier version.
                None => true,
            }
    }
}

/// The id of the container that the directory of a run names as its own.
fn recorded(directory: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(directory.join(RECORD))?;
    file.take(MAX_RECORD_BYTES).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}
