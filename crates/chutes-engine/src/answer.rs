//! Answers of engines that the library does not understand.
//!
//! Podman has states of its own for a container, one of which (`stopped`) is to be seen for a moment at every
//! end. The library knows Docker's, and refuses the whole answer because of it.

use bollard::errors::Error;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The answer, without states that only the engine knows: nothing here depends on their names.
pub(super) fn understood<T: DeserializeOwned>(answer: Result<T, Error>) -> Result<T, Error> {
    let Err(Error::JsonDataError { contents, .. }) = &answer else { return answer };
    let Ok(mut value) = serde_json::from_str::<Value>(contents) else { return answer };
    match &mut value {
        Value::Array(containers) => containers.iter_mut().for_each(forget_state),
        container => forget_state(container),
    }
    serde_json::from_value(value).map_or(answer, Ok)
}

/// A list has the state as a word, and the description of one container has it among other things.
fn forget_state(container: &mut Value) {
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

    /// What the library makes of this text.
    fn answer<T: DeserializeOwned>(contents: &str) -> Result<T, Error> {
        serde_json::from_str(contents).map_err(|error| Error::JsonDataError {
            message: error.to_string(),
            contents: contents.to_owned(),
            column: error.column(),
        })
    }

    #[test]
    fn state_of_one_that_just_ended() {
        let contents =
            r#"{"Id": "a", "State": {"Status": "stopped", "Running": false, "ExitCode": 3}}"#;
        assert!(answer::<ContainerInspectResponse>(contents).is_err());
        let state =
            understood(answer::<ContainerInspectResponse>(contents)).unwrap().state.unwrap();
        assert_eq!((state.running, state.exit_code), (Some(false), Some(3)));
    }

    #[test]
    fn state_in_a_list() {
        let contents = r#"[{"Id": "a", "State": "running"}, {"Id": "b", "State": "stopped"}]"#;
        assert!(answer::<Vec<ContainerSummary>>(contents).is_err());
        let listed = understood(answer::<Vec<ContainerSummary>>(contents)).unwrap();
        let ids: Vec<_> = listed.into_iter().filter_map(|container| container.id).collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn other_mistakes_stay() {
        let check =
            |contents| assert!(understood(answer::<Vec<ContainerSummary>>(contents)).is_err());
        for contents in
            ["", "[", "{}", "null", "3", r#"[{"Id": 3}]"#, r#"[{"State": ["stopped"]}]"#]
        {
            check(contents);
        }
    }
}
