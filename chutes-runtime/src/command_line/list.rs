//! `list`: the jobs of this binary.

use std::borrow::Cow;
use std::time::Duration;

use chutes_core::{HumanDuration, JobName, Ports, SourceLocation, TimeLimit};
use serde::Serialize;

use super::arguments;
use super::columns::Columns;
use super::problem::Problem;
use crate::registry::Registry;

#[derive(Serialize)]
struct Row<'a> {
    name: &'a JobName,
    summary: &'a str,
    source: &'a SourceLocation,
}

/// The whole output of the command.
pub(super) fn list(registry: &Registry, arguments: &arguments::List) -> Result<String, Problem> {
    if arguments.json {
        let rows = registry.jobs().iter().map(|job| Row {
            name: job.name(),
            summary: job.summary(),
            source: job.source(),
        });
        let rows: Vec<Row<'_>> = rows.collect();
        return to_json_line(&rows);
    }
    let columns = Columns::new(["NAME", "TIME LIMIT", "PORTS", "SUMMARY"]);
    Ok(columns.render(None, || {
        registry.jobs().iter().map(|job| {
            let name = job.name().as_str().into();
            let limit = limit(job.timeout().map(TimeLimit::duration));
            [name, limit, ports(job.ports()), job.summary().into()]
        })
    }))
}

/// The value as one line of JSON.
pub(super) fn to_json_line(value: &impl Serialize) -> Result<String, Problem> {
    let text = serde_json::to_string(value).map_err(|error| Problem::platform(&error))?;
    Ok(text + "\n")
}

/// A limit as the table shows it.
pub(super) fn limit(limit: Option<Duration>) -> Cow<'static, str> {
    match limit {
        Some(limit) => HumanDuration(limit).to_string().into(),
        None => "none".into(),
    }
}

fn ports(ports: &Ports) -> Cow<'static, str> {
    if ports.is_empty() {
        return "none".into();
    }
    let ports = ports.iter().map(|port| format!("{}:{}", port.name(), port.number()));
    ports.collect::<Vec<_>>().join(" ").into()
}
