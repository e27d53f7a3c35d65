//! Every declaration that was tried on Chutes' Python decorator, and what we make of it.
//!
//! Where our verdict is not that of the Chutes documentation, the data says why.

use chutes_rules::{Port, Ports, Protocol, TimeLimit};
use serde::Deserialize;

use super::{Job, errors, tokens};
use crate::crate_path::HostCrate;
use crate::diagnostics::Diagnostics;
use crate::job::JobAttribute;

const CASES: &str = include_str!("validation_cases.json");

/// `python_accepts` in the data is what the Python code did, whatever its documentation says.
#[derive(Deserialize)]
struct Case {
    group: String,
    /// The arguments of the Python decorator, or a description.
    python: String,
    documented: Documented,
    /// The same declaration for our attribute: its arguments, or a whole item.
    job: Option<Declaration>,
    ours: Ours,
    /// What the declaration says, where the types of `chutes_rules` can be asked.
    values: Option<Values>,
    reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Documented {
    Accept,
    Reject,
    Unspecified,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Ours {
    Accept,
    Reject,
    NotExpressible,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Declaration {
    Written(String),
    Generated(Generated),
}

#[derive(Deserialize)]
struct Values {
    ports: PortValues,
    timeout: Option<u64>,
    upload: bool,
    ssh: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum PortValues {
    Listed(Vec<(String, u64, String)>),
    Generated(Generated),
}

/// So many ports, too many to write down.
#[derive(Deserialize)]
struct Generated {
    generate: u64,
}

impl Generated {
    fn ports(&self) -> Vec<(String, u64, String)> {
        (0..self.generate).map(|i| (format!("p{i}"), 9_000 + i, "tcp".to_owned())).collect()
    }

    fn arguments(&self) -> String {
        let ports = self.ports().into_iter();
        let ports = ports.map(|(name, number, protocol)| format!("{protocol}({name:?}, {number})"));
        format!("ports = [{}]", ports.collect::<Vec<_>>().join(", "))
    }
}

impl Declaration {
    /// What is wrong with it, and the validated arguments if it is no item.
    fn read(&self) -> (Vec<String>, Option<JobAttribute>) {
        let arguments = match self {
            Self::Generated(generated) => generated.arguments(),
            Self::Written(text) => match text.strip_prefix("#[job") {
                Some(rest) => {
                    let (_, item) = rest.split_once(']').unwrap();
                    return (errors(Job.expand(tokens(""), tokens(item))), None);
                }
                None => text.clone(),
            },
        };
        let mut problems = Diagnostics::default();
        let attribute = JobAttribute::read(tokens(&arguments), HostCrate::Facade, &mut problems);
        (problems.messages().into_iter().map(str::to_owned).collect(), Some(attribute))
    }
}

/// The same values by way of the types that check them at run time.
fn by_core(values: &Values) -> Option<(Vec<Port>, Option<TimeLimit>)> {
    let listed = match &values.ports {
        PortValues::Listed(ports) => ports,
        PortValues::Generated(generated) => &generated.ports(),
    };
    let mut ports = Vec::new();
    for (name, number, protocol) in listed {
        let protocol: Protocol = protocol.parse().ok()?;
        ports.push(Port::new(name.clone(), *number, protocol).ok()?);
    }
    Ports::new(ports.clone(), values.ssh).ok()?;
    let timeout = values.timeout.map(TimeLimit::from_seconds).transpose().ok()?;
    Some((ports, timeout))
}

fn cases() -> Vec<Case> {
    serde_json::from_str(CASES).unwrap()
}

#[test]
fn macro_verdicts() {
    let cases = cases();
    assert_eq!(cases.len(), 137);
    for Case { group, python, documented, job, ours, reason, .. } in &cases {
        let agreed = matches!(
            (documented, ours),
            (Documented::Accept, Ours::Accept) | (Documented::Reject, Ours::Reject)
        );
        assert_eq!(agreed, reason.is_none(), "{group}: {python}: a reason where we differ");
        let Some(job) = job else {
            assert_eq!(*ours, Ours::NotExpressible, "{group}: {python}");
            continue;
        };
        let (problems, _) = job.read();
        let verdict = if problems.is_empty() { Ours::Accept } else { Ours::Reject };
        assert_eq!(verdict, *ours, "{group}: {python}: {problems:?}");
    }
}

/// So that the rules of the macro and those at run time cannot drift apart.
#[test]
fn macro_and_core_agree() {
    let mut compared = 0;
    for Case { group, python, job, ours, values, .. } in cases() {
        let (Some(values), Some(job)) = (values, job) else { continue };
        compared += 1;
        match (by_core(&values), job.read()) {
            (Some((ports, timeout)), (problems, Some(attribute))) if problems.is_empty() => {
                assert_eq!(ours, Ours::Accept, "{group}: {python}");
                assert_eq!(attribute.ports, ports, "{group}: {python}");
                assert_eq!(attribute.timeout, timeout, "{group}: {python}");
                assert_eq!(attribute.upload, values.upload, "{group}: {python}");
                assert_eq!(attribute.ssh, values.ssh, "{group}: {python}");
            }
            (by_core, (problems, _)) => {
                assert_eq!(ours, Ours::Reject, "{group}: {python}: {problems:?}");
                assert!(by_core.is_none(), "{group}: {python}: accepted at run time");
            }
        }
    }
    assert_eq!(compared, 73);
}
