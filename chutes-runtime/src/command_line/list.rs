//! `list`: the jobs of this binary.

use chutes_core::{HumanDuration, JobName, Ports, SourceLocation};
use serde::Serialize;

use super::arguments;
use super::problem::Problem;
use crate::registry::{Job, Registry};

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
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(["NAME", "TIME LIMIT", "PORTS", "SUMMARY"]);
    table.add_rows(registry.jobs().iter().map(|job| {
        [job.name().to_string(), time_limit(job), ports(job.ports()), job.summary().to_owned()]
    }));
    Ok(super::report::without_margins(&table))
}

/// One line of JSON.
pub(super) fn to_json_line(value: &impl Serialize) -> Result<String, Problem> {
    let text = serde_json::to_string(value).map_err(|error| Problem::platform(&error))?;
    Ok(text + "\n")
}

/// The time limit of a job in a table.
pub(super) fn time_limit(job: &Job) -> String {
    job.timeout().map_or_else(|| "none".into(), |limit| HumanDuration(limit.duration()).to_string())
}

fn ports(ports: &Ports) -> String {
    if ports.is_empty() {
        return "none".into();
    }
    let ports = ports.iter().map(|port| format!("{}:{}", port.name(), port.number()));
    ports.collect::<Vec<_>>().join(" ")
}
