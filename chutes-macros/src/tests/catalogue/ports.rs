//! Mistakes in `ports`.

use super::*;

#[test]
fn port_number() {
    for number in ["80", "8001", "65536", "0", "-1", "100000000000000000000000000"] {
        let message = format!("port {number} is out of range");
        check_arguments(&format!("ports = [http(\"web\", {number})]"), &[&[&message, PORT_RANGE]]);
    }
    for number in ["\"8080\"", "8080.0", "true", "PORT"] {
        let ports = format!("ports = [http(\"web\", {number})]");
        check_arguments(&ports, &[&["a port number must be an integer literal"]]);
    }
}

#[test]
fn port_name() {
    check_arguments(
        "ports = [http(\"Web-UI\", 8080)]",
        &[&["invalid port name `Web-UI`", PORT_NAME, "= help: try `\"webui\"`"]],
    );
    check_arguments("ports = [http(\"1web\", 8080)]", &[&["invalid port name `1web`", PORT_NAME]]);
    check_arguments("ports = [http(\"\", 8080)]", &[&["invalid port name ``", PORT_NAME]]);
    check_arguments(
        r#"ports = [http("web\n", 8080)]"#,
        &[&["invalid port name `web\\n`", PORT_NAME, "= help: try `\"web\"`"]],
    );
    check_arguments("ports = [http(web, 8080)]", &[&["a port name must be a string literal"]]);
}

#[test]
fn port_declared_twice() {
    let twice = ["port 8080 is declared twice", "= note: `web` already uses port 8080"];
    check_arguments("ports = [http(\"web\", 8080), tcp(\"db\", 8080)]", &[&twice]);
    check_arguments("ports = [http(\"web\", 8080), http(\"web\", 8080)]", &[&twice]);
    check_arguments(
        "ports = [http(\"web\", 8080), tcp(\"web\", 8081)]",
        &[&["port name `web` is used twice", UNIQUE_NAME]],
    );
}

#[test]
fn port_of_ssh() {
    let reserved = ["port 2202 is reserved by `ssh = true`", SSH_OPENS];
    check_arguments("ports = [tcp(\"shell\", 2202)], ssh = true", &[&reserved]);
    check_arguments("ssh = true, ports = [tcp(\"ssh\", 2202)]", &[&reserved]);
    check_arguments(
        "ssh = true, ports = [tcp(\"ssh\", 8080)]",
        &[&["port name `ssh` is reserved by `ssh = true`", "= help: give this port another name"]],
    );
    check_arguments("ports = [tcp(\"ssh\", 2202)], ssh = false", &[]);
}

#[test]
fn not_a_port() {
    for port in ["8080", "\"web\"", "(\"web\", 8080)", "http", "http[\"web\", 8080]", "http(8080)"]
    {
        check_arguments(&format!("ports = [{port}]"), &[&["expected a port", WRITE_PORT]]);
    }
    check_arguments("ports = [http(\"web\", 8080, 1)]", &[&["expected a port", WRITE_PORT]]);
    check_arguments("ports = [http(\"web\", 8080),,]", &[&["expected a port", WRITE_PORT]]);
    check_arguments("ports = [https(\"web\", 8080)]", &[&["unknown protocol `https`", PROTOCOLS]]);
    for list in ["None", "()", "{}", "http(\"web\", 8080)", "8080", "[] []"] {
        check_arguments(
            &format!("ports = {list}"),
            &[&["argument `ports` must be a list of ports", WRITE_PORTS]],
        );
    }
}
