//! Ports by themselves and together.

use super::*;

fn ports(declared: &[(&'static str, u64)], ssh: bool) -> Result<Ports, PortsError> {
    let declared = declared.iter().map(|(name, number)| Port::new(*name, *number, Protocol::Tcp));
    Ports::new(declared.collect::<Result<_, _>>().unwrap(), ssh)
}

#[track_caller]
fn check(declared: &[(&'static str, u64)], ssh: bool, expected: Result<usize, &str>) {
    let found = ports(declared, ssh);
    let found = found.map(|ports| ports.iter().count()).map_err(|error| error.to_string());
    assert_eq!(found, expected.map_err(String::from));
}

#[test]
fn lists() {
    check(&[], false, Ok(0));
    check(&[], true, Ok(1));
    check(&[("web", 8080), ("metrics", 9090)], true, Ok(3));
    check(&[("web", 2202)], false, Ok(1));
    check(&[("web", 8080), ("api", 8080)], false, Err("port 8080 is declared twice"));
    check(&[("web", 8080), ("web", 8081)], false, Err("port name `web` is used twice"));
    check(&[("shell", 2202)], true, Err("port 2202 is declared twice"));
    check(&[("ssh", 8080)], true, Err("port name `ssh` is used twice"));
    check(&[("ssh", 2202)], true, Err("port 2202 is declared twice"));
}

#[test]
fn ssh_port_is_last() {
    let ports = ports(&[("web", 8080)], true).unwrap();
    assert_eq!(ports.iter().last(), Some(&Port::ssh()));
    assert!(ports.ssh());
}

#[test]
fn name_suggestions() {
    for (name, expected) in [
        ("Web-UI", Some("webui")),
        ("web 1", Some("web1")),
        ("1web", None),
        ("w1b", None),
        ("", None),
    ] {
        let error = PortName::new(name).unwrap_err();
        assert_eq!(error.suggestion().as_deref(), expected, "{name}");
    }
}

#[test]
fn readiness_goes_with_http() {
    let path = || ReadinessPath::new("/health").unwrap();
    for protocol in Protocol::ALL {
        let is_http = protocol == Protocol::Http;
        let port = || Port::new("web", 8080, protocol).unwrap();
        assert_eq!(port().ready_at(path()).ready(), is_http.then(path).as_ref(), "{protocol}");
        let expected = is_http.then(|| port().ready_at(path())).ok_or(PortError::ReadyWithoutHttp);
        assert_eq!(port().with_ready("/health"), expected, "{protocol}");
    }
    let error = Port::new("web", 8080, Protocol::Http).unwrap().with_ready("x").unwrap_err();
    assert_eq!(error.to_string(), "invalid readiness path `x`");
}
