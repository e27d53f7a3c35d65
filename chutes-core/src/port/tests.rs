//! Ports by themselves, together, and in JSON.

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

#[cfg(feature = "serde")]
mod json {
    //! A port in JSON.

    use super::super::*;

    /// What is read from a text, and that it is written in the same way.
    #[track_caller]
    fn check(text: &str, expected: Result<Port, &str>) {
        let read = serde_json::from_str::<Port>(text);
        match (&read, expected) {
            (Ok(port), Ok(expected)) => {
                assert_eq!(port, &expected);
                assert_eq!(serde_json::to_string(port).unwrap(), text);
            }
            (Err(error), Err(expected)) => {
                assert!(error.to_string().starts_with(expected), "{error}");
            }
            _ => panic!("{text}: {read:?}"),
        }
    }

    #[test]
    fn form() {
        let web = || Port::of_image("web", 80, Protocol::Http).unwrap();
        check(r#"{"name":"web","port":80,"proto":"http"}"#, Ok(web()));
        check(
            r#"{"name":"web","port":80,"proto":"http","ready":"/health?full=1"}"#,
            Ok(web().with_ready("/health?full=1").unwrap()),
        );
        check(r#"{"name":"ssh","port":2202,"proto":"tcp"}"#, Ok(Port::ssh()));
    }

    #[test]
    fn what_is_no_port() {
        let without_http = "only an HTTP port has a readiness path";
        for (text, problem) in [
            (r#"{"name":"db","port":81,"proto":"tcp","ready":"/"}"#, without_http),
            (r#"{"name":"db","port":81,"proto":"udp","ready":"/"}"#, without_http),
            (r#"{"name":"w","port":81,"proto":"http","ready":"x"}"#, "invalid readiness path `x`"),
            (r#"{"name":"w","port":81,"proto":"http","ready":1}"#, "invalid type: integer"),
            (r#"{"name":"w","port":0,"proto":"http"}"#, "port 0 is out of range"),
            (r#"{"name":"w","port":65536,"proto":"http"}"#, "port 65536 is out of range"),
            (r#"{"name":"W","port":81,"proto":"http"}"#, "invalid port name `W`"),
            (r#"{"name":"w","port":81,"proto":"https"}"#, "unknown variant `https`"),
            (r#"{"name":"w","port":81}"#, "missing field `proto`"),
        ] {
            check(text, Err(problem));
        }
    }

    #[test]
    fn nothing_to_wait_for_may_be_written_as_null() {
        let text = r#"{"name":"db","port":8081,"proto":"tcp","ready":null}"#;
        let port = serde_json::from_str::<Port>(text).unwrap();
        assert_eq!(port, Port::new("db", 8081, Protocol::Tcp).unwrap());
    }

    #[cfg(feature = "schema")]
    #[test]
    fn schema_has_the_keys_of_the_form() {
        let schema = schemars::schema_for!(Port);
        let keys = schema.as_value()["properties"].as_object().unwrap().keys();
        assert_eq!(keys.collect::<Vec<_>>(), ["name", "port", "proto", "ready"]);
    }
}
