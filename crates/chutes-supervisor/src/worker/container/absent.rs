//! Stands for containers in a program that was built without them.

use std::future::{Ready, ready};

use chutes_core::RunId;

/// A container that is known to an engine. There is none.
#[derive(Clone, Debug)]
pub enum ContainerHandle {}

/// Says that the container of a run may still be there: no engine can be asked.
pub(crate) fn remove_container(run_id: RunId) -> Ready<Result<(), String>> {
    const WHAT: &str =
        "this program knows nothing of containers; that of the run may still be there";
    ready(Err(format!("{WHAT}: `chutes-{run_id}`")))
}
