//! The contract of a job: everything that a platform must know to run it.

use std::borrow::Cow;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{JobName, Json, Ports, TimeLimit};

/// Where a job stands in its source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SourceLocation {
    /// The file, as the compiler names it.
    pub file: Cow<'static, str>,
    /// The line, counted from 1.
    pub line: u32,
    /// The module, for instance `my_jobs::training`.
    pub module: Cow<'static, str>,
}

/// Shows `file:line`, which terminals and editors turn into a link.
///
/// ```
/// use chutes::contract::SourceLocation;
///
/// let place = SourceLocation { file: "src/main.rs".into(), line: 7, module: "my_jobs".into() };
/// assert_eq!(place.to_string(), "src/main.rs:7");
/// ```
impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Everything that a platform must know to run a job. A job binary prints it with `describe --json`.
///
/// In JSON `ssh` stands beside the list of ports, and `timeout` is the number `timeout_seconds`; the
/// documentation of the crate shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "record::ContractRecord", try_from = "record::ContractRecord")]
pub struct JobContract {
    /// The name, unique within a binary.
    pub name: JobName,
    /// The first paragraph of the doc comment; may be empty.
    pub summary: Cow<'static, str>,
    /// The ports, and whether there is SSH.
    pub ports: Ports,
    /// How long the job may run; `None` is no limit, and the default.
    pub timeout: Option<TimeLimit>,
    /// Whether outputs leave the run directory; they are collected in any case. Default `true`, as
    /// in the Chutes decorator.
    pub upload: bool,
    /// The JSON Schema (draft 2020-12) of the data, when its type has one.
    pub data_schema: Option<Json>,
    /// The JSON Schema (draft 2020-12) of the result, when its type has one.
    pub result_schema: Option<Json>,
    /// Where the job stands in its source.
    pub source: SourceLocation,
}

mod record {
    //! The JSON form of a contract, where `ssh` stands beside the list of ports.

    use super::{Cow, JobContract, JobName, Json, Ports, SourceLocation, TimeLimit};
    use crate::{Port, PortNumber};

    #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    pub(super) struct ContractRecord {
        name: JobName,
        summary: Cow<'static, str>,
        ports: Vec<Port>,
        timeout_seconds: Option<TimeLimit>,
        upload: bool,
        ssh: bool,
        data_schema: Option<Json>,
        result_schema: Option<Json>,
        source: SourceLocation,
    }

    impl From<JobContract> for ContractRecord {
        fn from(contract: JobContract) -> Self {
            Self {
                name: contract.name,
                summary: contract.summary,
                ports: contract.ports.iter().cloned().collect(),
                timeout_seconds: contract.timeout,
                upload: contract.upload,
                ssh: contract.ports.ssh(),
                data_schema: contract.data_schema,
                result_schema: contract.result_schema,
                source: contract.source,
            }
        }
    }

    impl TryFrom<ContractRecord> for JobContract {
        type Error = String;

        fn try_from(mut record: ContractRecord) -> Result<Self, String> {
            if record.ssh && record.ports.pop() != Some(Port::ssh()) {
                return Err("a contract with `ssh` ends its ports with the SSH port".into());
            }
            for port in &record.ports {
                // What an image may open is more.
                PortNumber::new(port.number().get().into()).map_err(|error| error.to_string())?;
            }
            let ports = Ports::new(record.ports, record.ssh).map_err(|error| error.to_string())?;
            Ok(Self {
                name: record.name,
                summary: record.summary,
                ports,
                timeout: record.timeout_seconds,
                upload: record.upload,
                data_schema: record.data_schema,
                result_schema: record.result_schema,
                source: record.source,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Port, Protocol};

    fn contract() -> JobContract {
        let web = Port::new("web", 8080, Protocol::Http).unwrap();
        JobContract {
            name: JobName::new("train").unwrap(),
            summary: "Trains.".into(),
            ports: Ports::new(vec![web], true).unwrap(),
            timeout: Some(TimeLimit::from_seconds(7_200).unwrap()),
            upload: true,
            data_schema: Some(Json::parse("{\"type\": \"object\"}").unwrap()),
            result_schema: None,
            source: SourceLocation { file: "src/main.rs".into(), line: 7, module: "jobs".into() },
        }
    }

    #[test]
    fn json_form() {
        let text = serde_json::to_string(&contract()).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"name":"train","summary":"Trains.","#,
                r#""ports":[{"name":"web","port":8080,"proto":"http"},"#,
                r#"{"name":"ssh","port":2202,"proto":"tcp"}],"#,
                r#""timeout_seconds":7200,"upload":true,"ssh":true,"#,
                r#""data_schema":{"type":"object"},"result_schema":null,"#,
                r#""source":{"file":"src/main.rs","line":7,"module":"jobs"}}"#,
            )
        );
        assert_eq!(serde_json::from_str::<JobContract>(&text).unwrap(), contract());
    }

    #[test]
    fn readiness_path_of_a_port() {
        let web = Port::new("web", 8080, Protocol::Http).unwrap().with_ready("/health").unwrap();
        let contract = JobContract { ports: Ports::new(vec![web], true).unwrap(), ..contract() };
        let text = serde_json::to_string(&contract).unwrap();
        let port = r#"{"name":"web","port":8080,"proto":"http","ready":"/health"}"#;
        assert!(text.contains(port), "{text}");
        assert_eq!(serde_json::from_str::<JobContract>(&text).unwrap(), contract);
    }

    #[test]
    fn wrong_contracts_are_refused() {
        let good = serde_json::to_string(&contract()).unwrap();
        for (from, to) in [
            ("\"ssh\":true", "\"ssh\":false,\"ssh2\":1"),
            ("8080", "80"),
            ("\"web\"", "\"ssh\""),
            ("7200", "5"),
            ("\"train\"", "\"../train\""),
            ("2202", "2203"),
            (r#""proto":"http""#, r#""proto":"http","ready":"health""#),
            (r#""proto":"http""#, r#""proto":"tcp","ready":"/health""#),
        ] {
            let bad = good.replacen(from, to, 1);
            let parsed = serde_json::from_str::<JobContract>(&bad);
            // Without `ssh` the SSH port is an ordinary port, which is legal.
            assert_eq!(parsed.is_ok(), from.contains("ssh\":"), "{bad}");
        }
    }
}
