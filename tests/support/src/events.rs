//! The events of a run, which it writes into a file.

use std::path::Path;

use chutes_core::{Event, RunEvent};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::machine::wait_until;

/// The complete lines of a file with events; none while there is no such file.
fn parsed<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The events in a file so far, as JSON.
pub fn events(path: &Path) -> Vec<Value> {
    parsed(path)
}

/// The events of this name.
pub fn named<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == name).collect()
}

/// Waits for an event of this name with this value of a field. An empty value stands for any.
#[track_caller]
pub fn wait_for_event(path: &Path, name: &str, field: &str, value: &str) -> Value {
    let mut found = None;
    let is_it =
        |event: &Value| event["event"] == name && (value.is_empty() || event[field] == value);
    wait_until(&format!("the event `{name}` {value}"), || {
        let events = events(path);
        found = events.iter().find(|event| is_it(event)).cloned();
        let has_ended = events.iter().any(|event| event["event"] == "outcome");
        assert!(found.is_some() || !has_ended, "the run has ended: {events:#?}");
        found.is_some()
    });
    found.unwrap()
}

/// The events in a file so far, as values of their type.
pub fn reported(path: &Path) -> Vec<RunEvent> {
    parsed::<Event>(path).into_iter().map(|event| event.what).collect()
}

/// Waits for an event that `wanted` accepts.
#[track_caller]
pub fn wait_for_reported<T>(path: &Path, wanted: impl Fn(RunEvent) -> Option<T>) -> T {
    let mut found = None;
    wait_until("the event", || {
        found = reported(path).into_iter().find_map(&wanted);
        found.is_some()
    });
    found.unwrap()
}
