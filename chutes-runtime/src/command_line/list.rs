//! `list`: the jobs of this binary.

use std::borrow::Cow;

use chutes_console::{Columns, Problem, json_line, limit_text, stdout_width};
use chutes_core::{JobName, Ports, SourceLocation, TimeLimit};
use serde::Serialize;

use super::arguments;
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
        return json_line(&rows);
    }
    let columns = Columns::new(["NAME", "TIME LIMIT", "PORTS", "SUMMARY"]);
    Ok(columns.render(stdout_width(), || {
        registry.jobs().iter().map(|job| {
            let name = job.name().as_str().into();
            let limit = limit_text(job.timeout().map(TimeLimit::duration));
            [name, limit, ports(job.ports()), job.summary().into()]
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
