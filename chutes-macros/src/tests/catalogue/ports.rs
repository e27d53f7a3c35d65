//! Mistakes in `ports`.

use super::*;

const WRITE_LITERALS: &str = "= help: write literals, for example `http(\"web\", 8080)`";

#[test]
fn port_number() {
    for number in ["80", "8001", "65536", "0", "-1", "100000000000000000000000000"] {
        let message = format!("port {number} is out of range");
        check_arguments(&format!("ports = [http(\"web\", {number})]"), &[&[&message, PORT_RANGE]]);
    }
    for number in ["\"8080\"", "8080.0", "true", "PORT"] {
        let ports = format!("ports = [http(\"web\", {number})]");
        check_arguments(&ports, &[&["a port number must be an integer literal", WRITE_LITERALS]]);
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
    check_arguments(
        "ports = [http(web, 8080)]",
        &[&["a port name must be a string literal", WRITE_LITERALS]],
    );
    let order = "= help: the name comes first: `tcp(\"web\", 8080)`";
    check_arguments(
        "ports = [tcp(8080, \"web\")]",
        &[
            &["a port name must be a string literal", order],
            &["a port number must be an integer literal", order],
        ],
    );
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
    for port in ["http(name = \"web\", 8080)", "http(\"web\", ready = \"/health\")"] {
        check_arguments(&format!("ports = [{port}]"), &[&["expected a port", WRITE_PORT]]);
    }
    check_arguments("ports = [http(\"web\", 8080),,]", &[&["expected a port", WRITE_PORT]]);
    check_arguments("ports = [https(\"web\", 8080)]", &[&["unknown protocol `https`", PROTOCOLS]]);
    for list in ["None", "()", "{}", "http(\"web\", 8080)", "8080", "[] []"] {
        check_arguments(
            &format!("ports = {list}"),
            &[&["argument `ports` must be a list of ports", WRITE_PORTS]],
        );
    }
}

/// Checks what is said of a port with these arguments behind its number.
#[track_caller]
fn check_others(protocol: &str, others: &str, expected: &[&[&str]]) {
    check_arguments(&format!("ports = [{protocol}(\"web\", 8080{others})]"), expected);
}

#[test]
fn readiness_path() {
    for others in [", ready = \"/health\"", ", ready = \"/health?full=1\",", ", ready = r\"/\""] {
        check_others("http", others, &[]);
    }
    let invalid = |path: &str| format!("invalid readiness path `{path}`");
    for (path, try_instead) in [
        ("health", Some("= help: try `\"/health\"`")),
        ("", Some("= help: try `\"/\"`")),
        ("http://web/health", None),
        ("/a b", None),
        ("/a#b", None),
        ("/é", None),
    ] {
        let lines = [Some(invalid(path)), Some(READY_PATH.into()), try_instead.map(str::to_owned)];
        let lines: Vec<String> = lines.into_iter().flatten().collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        check_others("http", &format!(", ready = {path:?}"), &[&lines]);
    }
    for value in ["5", "true", "PATH", "/health", "b\"/health\"", "[\"/health\"]"] {
        let others = format!(", ready = {value}");
        check_others("http", &others, &[&["a readiness path must be a string literal"]]);
    }
}

#[test]
fn arguments_of_an_http_port() {
    let unknown = |name: &str| format!("unknown argument `{name}` for an `http` port");
    check_others(
        "http",
        ", raedy = \"/\"",
        &[&[&unknown("raedy"), "= help: did you mean `ready`?"]],
    );
    check_others("http", ", path = \"/\"", &[&[&unknown("path"), ONLY_READY]]);
    check_others("http", ", true", &[&[&unknown("true"), ONLY_READY]]);
    for other in [", 1", ", \"/health\"", ",,"] {
        let lines = ["expected an argument of an `http` port", WRITE_ARGUMENT];
        check_others("http", other, &[&lines]);
    }
    for other in [", ready", ", ready ="] {
        check_others("http", other, &[&["argument `ready` needs a value", WRITE_READY]]);
    }
    for other in [", ready: \"/\"", ", ready == \"/\"", ", ready(\"/\")"] {
        check_others("http", other, &[&["expected `=` after argument `ready`", WRITE_READY]]);
    }
    let twice = ["argument `ready` is given more than once", REMOVE_ONE];
    check_others("http", ", ready = \"/a\", ready = \"/b\"", &[&twice]);
    check_others("http", ", ready = \"/a\", ready = 1", &[&twice]);
    let no_comma = ["expected a comma before argument `ready`"];
    check_others("http", " ready = \"/a\"", &[&no_comma]);
    check_others("http", ", ready = \"/a\" ready = \"/b\"", &[&no_comma, &twice]);
}

#[test]
fn only_http_ports_have_a_readiness_path() {
    for protocol in ["tcp", "udp"] {
        let help = format!("= help: remove it from this `{protocol}` port");
        let lines = ["argument `ready` is for `http` ports only", &help];
        // Nothing is said of a path that is not used.
        for other in [", ready = \"/health\"", ", ready = 1", ", ready"] {
            check_others(protocol, other, &[&lines]);
        }
        let no_more = format!("a `{protocol}` port has a name and a number only");
        for other in [", raedy = \"/health\"", ", 1", ", \"/health\"", ",,", ", true"] {
            check_others(protocol, other, &[&[&no_more]]);
        }
    }
    let unknown = ["unknown protocol `https`", PROTOCOLS];
    check_others("https", ", ready = \"/health\"", &[&unknown]);
    let path = ["invalid readiness path `health`", READY_PATH, "= help: try `\"/health\"`"];
    check_others("https", ", ready = \"health\"", &[&unknown, &path]);
}

#[test]
fn parts_with_a_readiness_path_in_source_order() {
    check_arguments(
        "ports = [http(\"Web\", 80, ready = \"/a b\"), tcp(\"web\", 8081, ready = \"/\")]",
        &[
            &["invalid port name `Web`", PORT_NAME, "= help: try `\"web\"`"],
            &["port 80 is out of range", PORT_RANGE],
            &["invalid readiness path `/a b`", READY_PATH],
            &[
                "argument `ready` is for `http` ports only",
                "= help: remove it from this `tcp` port",
            ],
        ],
    );
}
