//! The types of this crate in JSON.

use crate::*;

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
    let web = || Port::for_image("web", 80, Protocol::Http).unwrap();
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

#[test]
fn schema_has_the_keys_of_the_form() {
    let schema = schemars::schema_for!(Port);
    let keys = schema.as_value()["properties"].as_object().unwrap().keys();
    assert_eq!(keys.collect::<Vec<_>>(), ["name", "port", "proto", "ready"]);
}
