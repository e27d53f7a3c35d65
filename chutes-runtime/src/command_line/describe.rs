//! `describe`: the whole contract of a job.

mod table;

use std::fmt::Write;

use chutes_console::{Problem, json_line, limit_text, stdout_width, write_wrapped};
use chutes_core::{JobContract, TimeLimit};

use self::table::{Side, write_type};
use super::arguments;
use crate::registry::{Job, Registry};

/// The whole output of the command.
pub(super) fn describe(
    registry: &Registry,
    arguments: &arguments::Describe,
) -> Result<String, Problem> {
    match (&arguments.job, arguments.json) {
        (Some(name), true) => json_line(&find(registry, name)?.contract()),
        (Some(name), false) => Ok(for_people(find(registry, name)?, stdout_width())),
        (None, true) => {
            let contracts: Vec<_> = registry.jobs().iter().map(Job::contract).collect();
            json_line(&contracts)
        }
        (None, false) => {
            let (jobs, width) = (registry.jobs().iter(), stdout_width());
            let texts: Vec<_> = jobs.map(|job| for_people(job, width)).collect();
            Ok(texts.join("\n"))
        }
    }
}

/// The job of this name; the problem has a hint for the user.
pub(super) fn find<'a>(registry: &'a Registry, name: &str) -> Result<&'a Job, Problem> {
    registry.get(name).map_err(|error| {
        let problem = Problem::bad_request(&error);
        match error.suggestion {
            Some(suggestion) => problem.hint(format!("did you mean `{suggestion}`?")),
            None => problem.hint("`list` shows the jobs of this binary"),
        }
    })
}

/// The job as text for a terminal of this width, if it is one.
fn for_people(job: &Job, width: Option<u16>) -> String {
    let mut text = contract(&job.contract(), width);
    write_type(&mut text, Side::Data, &job.data_type(), width);
    write_type(&mut text, Side::Result, &job.result_type(), width);
    text
}

/// The contract without its schemas.
fn contract(contract: &JobContract, width: Option<u16>) -> String {
    let mut text = format!("{}\n", contract.name);
    if !contract.summary.is_empty() {
        write_wrapped(&mut text, "  ", &contract.summary, width);
    }
    let limit = limit_text(contract.timeout.map(TimeLimit::duration));
    let _ = writeln!(text, "  time limit   {limit}");
    let _ = writeln!(text, "  upload       {}", yes_or_no(contract.upload));
    let _ = writeln!(text, "  ssh          {}", yes_or_no(contract.ports.ssh()));
    for (at, port) in contract.ports.iter().enumerate() {
        let label = if at == 0 { "ports" } else { "" };
        let (name, number, protocol) = (port.name(), port.number(), port.protocol());
        let ready = port.ready().map(|path| format!(", ready at {path}")).unwrap_or_default();
        let port = format!("{name} {number}/{protocol}{ready}");
        write_wrapped(&mut text, &format!("  {label:<12} "), &port, width);
    }
    let source = format!("{} ({})", contract.source, contract.source.module);
    write_wrapped(&mut text, "  source       ", &source, width);
    text
}

fn yes_or_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

#[cfg(test)]
mod tests {
    use chutes_core::{JobName, Port, Ports, Protocol};

    use super::*;
    use crate::schema::source_location_at;

    #[test]
    fn ports() {
        let web = Port::new("web", 8080, Protocol::Http).unwrap().with_ready("/health").unwrap();
        let plain = Port::new("plain", 8081, Protocol::Http).unwrap();
        let served = JobContract {
            name: JobName::from_static("serve"),
            summary: "Serves what clients ask for until it is cancelled.".into(),
            ports: Ports::new(vec![web, plain], true).unwrap(),
            timeout: None,
            upload: true,
            data_schema: None,
            result_schema: None,
            source: source_location_at("src/jobs.rs", 1, "jobs"),
        };
        let text = contract(&served, None);
        let (_, ports) = text.split_once("  ports ").unwrap();
        let (ports, _) = ports.split_once("  source ").unwrap();
        let ports: Vec<&str> = ports.lines().map(str::trim).collect();
        assert_eq!(ports, ["web 8080/http, ready at /health", "plain 8081/http", "ssh 2202/tcp"]);

        let narrow = contract(&served, Some(30));
        let lines: Vec<&str> = narrow.lines().take(3).collect();
        assert_eq!(lines, ["serve", "  Serves what clients ask for", "  until it is cancelled."]);
        assert!(narrow.lines().all(|line| line.len() <= 30), "{narrow}");
        let words = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
        assert_eq!(words(&narrow), words(&text));
    }
}
