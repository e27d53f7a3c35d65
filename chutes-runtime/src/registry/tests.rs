//! Errors of collecting the jobs of a binary.

use chutes_core::Protocol;

use super::*;
use crate::definition::DeclaredPort;
use crate::schema::{no_schema, source_location_at};

fn definition(name: &'static str, line: u32) -> JobDefinition {
    JobDefinition {
        name,
        summary: "",
        ports: &[],
        timeout_seconds: None,
        upload: true,
        ssh: false,
        source: source_location_at("src/jobs.rs", line, "jobs"),
        prepare: |_| Err(DataError::NotExpected),
        data_schema: no_schema,
        result_schema: no_schema,
    }
}

/// A registry of these definitions, which are leaked because definitions are `'static`.
fn registry(
    definitions: impl IntoIterator<Item = JobDefinition>,
) -> Result<Registry, RegistryError> {
    Registry::of(definitions.into_iter().map(|one| &*Box::leak(Box::new(one))))
}

#[test]
fn sorted_by_name() {
    let registry = registry([definition("b", 1), definition("c", 2), definition("a", 3)]);
    let names: Vec<_> = registry.unwrap().jobs().iter().map(|job| job.name().to_string()).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[test]
fn two_jobs_of_one_name() {
    let error = registry([definition("a", 9), definition("b", 1), definition("a", 3)]);
    assert_eq!(
        error.unwrap_err().to_string(),
        "two jobs are named `a`: one in module `jobs` at src/jobs.rs:3, \
         one in module `jobs` at src/jobs.rs:9; rename one of them"
    );
}

#[test]
fn unknown_name() {
    let registry = registry([definition("train", 1), definition("test", 2)]).unwrap();
    assert!(registry.get("train").is_ok());
    assert_eq!(registry.get("trian").unwrap_err().suggestion.as_deref(), Some("train"));
    assert_eq!(registry.get("deploy").unwrap_err().suggestion, None);
}

#[test]
fn readiness_path_of_a_port() {
    let port = |ready| DeclaredPort { name: "web", number: 8080, protocol: Protocol::Http, ready };
    let ports = Box::leak(Box::new([port(Some("/health"))]));
    let registry = registry([JobDefinition { ports, ..definition("serve", 1) }]).unwrap();
    let web = registry.jobs()[0].ports().get("web").unwrap();
    assert_eq!(web.ready().map(chutes_core::ReadinessPath::as_str), Some("/health"));
}

#[test]
fn definitions_that_no_attribute_makes() {
    let web = DeclaredPort { name: "web", number: 80, protocol: Protocol::Http, ready: None };
    let ports = |port: DeclaredPort| &*Box::leak(Box::new([port]));
    let ready = Some("/health");
    for (definition, reason) in [
        (JobDefinition { name: "../x", ..definition("", 1) }, "invalid job name `../x`"),
        (JobDefinition { ports: ports(web), ..definition("a", 1) }, "port 80 is out of range"),
        (
            JobDefinition {
                ports: ports(DeclaredPort { number: 8080, ready: Some("health"), ..web }),
                ..definition("a", 1)
            },
            "invalid readiness path `health`",
        ),
        (
            JobDefinition {
                ports: ports(DeclaredPort { number: 8080, protocol: Protocol::Tcp, ready, ..web }),
                ..definition("a", 1)
            },
            "only an HTTP port has a readiness path",
        ),
        (
            JobDefinition { timeout_seconds: Some(1), ..definition("a", 1) },
            "timeout of 1 second is out of range",
        ),
    ] {
        let error = registry([definition]).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap();
        assert_eq!(cause.to_string(), reason);
    }
}
