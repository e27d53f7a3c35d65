//! `list`: the jobs of this binary.

use std::borrow::Cow;

use chutes_console::{Columns, Problem, json_line, limit_text, stdout_width};
use chutes_core::{JobName, Port, Ports, SourceLocation, TimeLimit};
use serde::Serialize;

use super::arguments;
use crate::registry::Registry;

/// What the table has, in the names of the contract.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a JobName,
    summary: &'a str,
    ports: Vec<&'a Port>,
    timeout_seconds: Option<TimeLimit>,
    source: &'a SourceLocation,
}

/// The whole output of the command.
pub(super) fn list(registry: &Registry, arguments: &arguments::List) -> Result<String, Problem> {
    if arguments.json {
        let rows = registry.jobs().iter().map(|job| Row {
            name: job.name(),
            summary: job.summary(),
            ports: job.ports().iter().collect(),
            timeout_seconds: job.timeout(),
            source: job.source(),
        });
        let rows: Vec<Row<'_>> = rows.collect();
        return json_line(&rows);
    }
    let columns = Columns::new(["NAME", "TIME LIMIT", "PORTS", "SOURCE", "SUMMARY"]);
    Ok(columns.wrap_last().render(stdout_width(), || {
        registry.jobs().iter().map(|job| {
            let name = job.name().as_str().into();
            let limit = limit_text(job.timeout().map(TimeLimit::duration));
            let source = job.source().to_string().into();
            [name, limit, ports(job.ports()), source, job.summary().into()]
        })
    }))
}

fn ports(ports: &Ports) -> Cow<'static, str> {
    if ports.is_empty() {
        return "none".into();
    }
    let ports = ports.iter().map(|port| format!("{}:{}", port.name(), port.number()));
    ports.collect::<Vec<_>>().join(" ").into()
}
