//! The ports of a container: their settings for the engine, and the engine's errors about them.

use std::collections::HashMap;

use chutes_core::{FailureKind, PortAddress};

use super::super::{StepExit, StepFailure};
use super::ContainerSetup;

/// Ports below this number require a privilege, which a container does not have.
const FIRST_UNPRIVILEGED: u16 = 1024;

/// Parts of the messages of engines that cannot open a port on this machine, in lowercase letters.
const REFUSALS: [&str; 5] = [
    "address already in use",
    "port is already allocated",
    "cannot assign requested address",
    "bind: permission denied",
    "ports are not available",
];

/// Lets the container bind ports below 1024 in its own network without a privilege.
pub(super) fn sysctls(setup: &ContainerSetup) -> HashMap<String, String> {
    let is_small = |port: &PortAddress| port.port.number().get() < FIRST_UNPRIVILEGED;
    let setting = ("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned());
    setup.ports.iter().any(is_small).then_some(setting).into_iter().collect()
}

/// The ports that the engine publishes: those of a container with a network.
pub(super) fn published(setup: &ContainerSetup) -> &[PortAddress] {
    if setup.network { &setup.ports } else { &[] }
}

/// The end of a step whose port could not be opened, recognised by the error message of the engine; `None` for
/// every other error.
pub(super) fn no_port(words: &str, setup: &ContainerSetup) -> Option<StepExit> {
    let ports = published(setup);
    let text = words.to_lowercase();
    if ports.is_empty() || !REFUSALS.iter().any(|refusal| text.contains(refusal)) {
        return None;
    }
    let by_address = ports.iter().find(|port| names(words, &port.address.to_string()));
    let by_number = || ports.iter().find(|port| names(words, &format!(":{}", port.address.port())));
    let message = match by_address.or_else(by_number).or_else(|| only(ports)) {
        Some(port) => {
            let (name, address) = (port.port.name(), port.address);
            format!(
                "port `{name}` cannot be opened at {address}; choose another number, for instance any that is \
                 free (`--publish {name}:0`): {words}"
            )
        }
        None => format!("a port of the run cannot be opened: {words}"),
    };
    let failure = StepFailure::new(FailureKind::PortUnavailable, message);
    Some(StepExit::Finished(Err(failure)))
}

/// Whether a text contains this address, and not only as the beginning of a longer one.
fn names(text: &str, address: &str) -> bool {
    let ends = |at: usize| {
        let after = text.get(at + address.len()..).and_then(|rest| rest.chars().next());
        !after.is_some_and(|after| after.is_ascii_digit())
    };
    text.match_indices(address).any(|(at, _)| ends(at))
}

fn only(ports: &[PortAddress]) -> Option<&PortAddress> {
    match ports {
        [port] => Some(port),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chutes_core::{ClassProfile, ImageName, Port, Protocol, RunId, SecretPairs};

    use super::*;
    use crate::RunDirectory;
    use chutes_core::EngineRequest;

    fn setup(network: bool, ports: &[(&'static str, &str)]) -> ContainerSetup {
        let port = |(name, address): &(&'static str, &str)| PortAddress {
            port: Port::new(*name, 8080, Protocol::Http).unwrap(),
            address: address.parse().unwrap(),
        };
        ContainerSetup {
            run_id: RunId::from_bytes([7; 16]),
            image: ImageName::new("r.test/x").unwrap(),
            args: Vec::new(),
            env: SecretPairs::default(),
            network,
            ports: ports.iter().map(port).collect(),
            profile: ClassProfile::LOCAL,
            artifacts_dir: None,
            directory: RunDirectory::at("/run".into()),
            engine: EngineRequest::default(),
        }
    }

    #[test]
    fn refusals() {
        let two = setup(true, &[("web", "127.0.0.1:8080"), ("api", "127.0.0.1:80")]);
        let check = |words: &str, expected: Option<&str>| {
            let found = no_port(words, &two).map(|end| match end {
                StepExit::Finished(Err(failure)) => failure,
                other => panic!("{other:?}"),
            });
            let Some(expected) = expected else { return assert_eq!(found, None, "{words}") };
            let failure = found.unwrap();
            assert_eq!(failure.kind, FailureKind::PortUnavailable);
            assert!(failure.message.starts_with(expected), "{}", failure.message);
            assert!(failure.message.ends_with(words), "{}", failure.message);
        };
        let (web, api) = (
            Some("port `web` cannot be opened at 127.0.0.1:8080; choose another number"),
            Some("port `api` cannot be opened at 127.0.0.1:80; choose another number"),
        );
        check(
            "driver failed programming external connectivity on endpoint chutes-x (8080): Bind for \
             127.0.0.1:80 failed: port is already allocated",
            api,
        );
        check(
            "failed to bind host port for 127.0.0.1:8080:172.17.0.2:80/tcp: address already in use",
            web,
        );
        check(
            "Error starting userland proxy: listen tcp4 0.0.0.0:8080: bind: address already in use",
            web,
        );
        check("cannot listen on the TCP port: listen tcp4 :80: bind: address already in use", api);
        check(
            "rootlessport cannot expose privileged port: listen :80: bind: permission denied",
            api,
        );
        check(
            "bind: cannot assign requested address",
            Some("a port of the run cannot be opened: "),
        );
        check("listen tcp4 127.0.0.1:808: bind: address already in use", Some("a port of the run"));
        check("exec: \"/etc\": permission denied", None);
        check("no space left on device", None);
        let words = "bind: address already in use";
        let one = no_port(words, &setup(true, &[("web", "[::1]:8080")])).unwrap();
        assert!(
            format!("{one:?}").contains("port `web` cannot be opened at [::1]:8080"),
            "{one:?}"
        );
        // The engine published no port of the run.
        assert_eq!(no_port(words, &setup(false, &[("web", "127.0.0.1:1")])), None);
        assert_eq!(no_port(words, &setup(true, &[])), None);
    }
}
