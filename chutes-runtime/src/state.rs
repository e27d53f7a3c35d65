//! The state of one run: values that startup hooks return and that the job finds by their type.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::definition::StateValue;

/// No startup hook has returned a value of this type.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// let error = chutes::testing::context(folder.path())?.state::<u32>().unwrap_err();
/// assert_eq!(error.to_string(), "no startup hook provides a `u32`");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no startup hook provides a `{type_name}`")]
pub struct MissingState {
    /// The requested type.
    pub type_name: &'static str,
}

/// Two startup hooks of one run provide the same type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it provides a `{type_name}`, which startup hook `{first}` already provides")]
pub(crate) struct StateConflict {
    type_name: &'static str,
    first: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    values: Mutex<HashMap<TypeId, Provided>>,
}

#[derive(Debug)]
struct Provided {
    by: &'static str,
    value: Arc<dyn Any + Send + Sync>,
}

impl State {
    /// Adds the value that a hook returned, unless it is `()`.
    pub(crate) fn insert(&self, by: &'static str, state: StateValue) -> Result<(), StateConflict> {
        if state.id == TypeId::of::<()>() {
            return Ok(());
        }
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = values.get(&state.id) {
            let StateValue { type_name, .. } = state;
            return Err(StateConflict { type_name, first: first.by });
        }
        values.insert(state.id, Provided { by, value: state.value });
        Ok(())
    }

    /// Adds a value, in place of an earlier one of the same type.
    pub(crate) fn replace(&self, by: &'static str, state: StateValue) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        values.insert(state.id, Provided { by, value: state.value });
    }

    pub(crate) fn get<S: Send + Sync + 'static>(&self) -> Result<Arc<S>, MissingState> {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        let value = values.get(&TypeId::of::<S>()).map(|provided| Arc::clone(&provided.value));
        value
            .and_then(|value| value.downcast().ok())
            .ok_or(MissingState { type_name: std::any::type_name::<S>() })
    }
}
