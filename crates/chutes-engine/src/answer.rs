//! Reading answers of engines that the library rejects.
//!
//! Podman has states of its own for a container, one of which (`stopped`) appears for a moment whenever a
//! container ends. The library knows only the states of Docker, and rejects the whole answer because of one
//! it does not know.

use bollard::errors::Error;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Parses a rejected answer again with the names of states removed. No caller depends on these names.
pub(super) fn accept_unknown_states<T: DeserializeOwned>(
    answer: Result<T, Error>,
) -> Result<T, Error> {
    let Err(Error::JsonDataError { contents, .. }) = &answer else { return answer };
    let Ok(mut value) = serde_json::from_str::<Value>(contents) else { return answer };
    match &mut value {
        Value::Array(containers) => containers.iter_mut().for_each(clear_state),
        container => clear_state(container),
    }
    serde_json::from_value(value).map_or(answer, Ok)
}

/// Removes the state of one container: a string in a list, a field of an object in the description of one
/// container.
fn clear_state(container: &mut Value) {
    let state = match container.get_mut("State") {
        Some(Value::Object(about)) => about.get_mut("Status"),
        state => state,
    };
    if let Some(word @ Value::String(_)) = state {
        *word = Value::String(String::new());
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerInspectResponse, ContainerSummary};

    use super::*;

    /// The result of the library for this text.
    fn answer<T: DeserializeOwned>(contents: &str) -> Result<T, Error> {
        serde_json::from_str(contents).map_err(|error| Error::JsonDataError {
            message: error.to_string(),
            contents: contents.to_owned(),
            column: error.column(),
        })
    }

    #[test]
    fn state_of_a_container_that_has_just_ended() {
        let contents =
            r#"{"Id": "a", "State": {"Status": "stopped", "Running": false, "ExitCode": 3}}"#;
        assert!(answer::<ContainerInspectResponse>(contents).is_err());
        let state = accept_unknown_states(answer::<ContainerInspectResponse>(contents))
            .unwrap()
            .state
            .unwrap();
        assert_eq!((state.running, state.exit_code), (Some(false), Some(3)));
    }

    #[test]
    fn state_in_a_list() {
        let contents = r#"[{"Id": "a", "State": "running"}, {"Id": "b", "State": "stopped"}]"#;
        assert!(answer::<Vec<ContainerSummary>>(contents).is_err());
        let listed = accept_unknown_states(answer::<Vec<ContainerSummary>>(contents)).unwrap();
        let ids: Vec<_> = listed.into_iter().filter_map(|container| container.id).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn other_errors_stay() {
        let check = |contents| {
            assert!(accept_unknown_states(answer::<Vec<ContainerSummary>>(contents)).is_err());
        };
        for contents in
            ["", "[", "{}", "null", "3", r#"[{"Id": 3}]"#, r#"[{"State": ["stopped"]}]"#]
        {
            check(contents);
        }
    }
}
