//! Several mistakes at once: each is reported once, in source order.

use super::*;

#[test]
fn several_ports_at_once() {
    check_arguments(
        r#"ports = [http("web", 80), sctp("Web-UI", 1), tcp("db", 8080), 8081, udp("db", 8082)]"#,
        &[
            &["port 80 is out of range", PORT_RANGE],
            &["unknown protocol `sctp`", PROTOCOLS],
            &["invalid port name `Web-UI`", PORT_NAME, "= help: try `\"webui\"`"],
            &["port 1 is out of range", PORT_RANGE],
            &["expected a port", WRITE_PORT],
            &["port name `db` is used twice", UNIQUE_NAME],
        ],
    );
}

#[test]
fn several_modifiers_and_types_at_once() {
    check(
        "timeout = 10, upload = 1",
        "async unsafe extern \"C\" fn train<T>(a: A, b: B, c: C) where T: Copy;",
        &[
            &["timeout of 10 seconds is out of range", TIMEOUT_RANGE],
            &["argument `upload` must be `true` or `false`"],
            &["job `train` cannot be an `unsafe fn`"],
            &["job `train` cannot be an `extern fn`"],
            &["job `train` cannot be generic", KNOWN_TYPES],
            &["job `train` takes too many parameters", A_JOB, ONE_STRUCT],
            &["job `train` must return a `Result`", RETURN_RESULT],
            &["job `train` cannot have a `where` clause"],
            &["job `train` must have a body", WITH_BODY],
        ],
    );
}

#[test]
fn several_arguments_at_once_in_source_order() {
    check(
        r#"ports = [http("web", 80), tcp("db", 8080), udp("db", 8081)], gpus = 8, timeout = 5,
        timeout = 60"#,
        "fn train<T>(ctx: JobContext) {}",
        &[
            &["port 80 is out of range", PORT_RANGE],
            &["port name `db` is used twice", UNIQUE_NAME],
            &["unknown argument `gpus` for the `job` attribute", JOB_ARGUMENTS],
            &["timeout of 5 seconds is out of range", TIMEOUT_RANGE],
            &["argument `timeout` is given more than once", REMOVE_ONE],
            &["job `train` must be an `async fn`", "= help: write `async fn train`"],
            &["job `train` cannot be generic", KNOWN_TYPES],
            &["job `train` must return a `Result`", RETURN_RESULT],
        ],
    );
}

#[test]
fn crate_path_in_source_order() {
    let relative = ["argument `crate` must be an absolute path", "= help: write `crate = ::a`"];
    let upload = ["argument `upload` must be `true` or `false`"];
    check_arguments("crate = a, upload = 1", &[&relative, &upload]);
}

#[test]
fn modifiers_in_source_order() {
    check_item(
        "unsafe fn train(ctx: JobContext) -> Result<(), E> { Ok(()) }",
        &[
            &["job `train` cannot be an `unsafe fn`"],
            &["job `train` must be an `async fn`", "= help: write `async fn train`"],
        ],
    );
}

#[test]
fn parameters_in_source_order() {
    check_item(
        "async fn train(ctx: JobContext, a: impl A, b: B) -> Result<(), E> { Ok(()) }",
        &[
            &["job `train` cannot be generic", KNOWN_TYPES],
            &["job `train` takes too many parameters", A_JOB, ONE_STRUCT],
        ],
    );
}

#[test]
fn parts_of_a_port_in_source_order() {
    check_arguments(
        r#"ports = [http("web", 8080), tcp("web", 80)]"#,
        &[
            &["port name `web` is used twice", UNIQUE_NAME],
            &["port 80 is out of range", PORT_RANGE],
        ],
    );
}

/// The name of a port whose number is taken counts for the ports after it.
#[test]
fn name_of_a_port_whose_number_is_taken() {
    check_arguments(
        r#"ports = [http("a", 8080), tcp("b", 8080), udp("b", 8081)]"#,
        &[
            &["port 8080 is declared twice", "= note: `a` already uses port 8080"],
            &["port name `b` is used twice", UNIQUE_NAME],
        ],
    );
}

#[test]
fn one_mistake_gives_one_error() {
    // A wrong flag is not taken for `true`, so it does not reserve the port.
    check_arguments(
        "ssh = 1, ports = [tcp(\"ssh\", 2202)]",
        &[&["argument `ssh` must be `true` or `false`"]],
    );
    // A port with a wrong name still holds its number, and nothing is said of the name again.
    check_arguments(
        "ports = [tcp(\"A\", 8080), tcp(\"A1\", 8081)]",
        &[
            &["invalid port name `A`", PORT_NAME, "= help: try `\"a\"`"],
            &["invalid port name `A1`", PORT_NAME, "= help: try `\"a1\"`"],
        ],
    );
    check_arguments(
        "ports = [http(\"web\", 80), http(\"web2\", 80)]",
        &[&["port 80 is out of range", PORT_RANGE], &["port 80 is out of range", PORT_RANGE]],
    );
    check_arguments(
        "timeout = soon, crate = 60",
        &[
            &["argument `timeout` must be a whole number of seconds", WRITE_TIMEOUT],
            &[
                "argument `crate` must be a path",
                "= help: write, for example, `crate = ::my_chutes`",
            ],
        ],
    );
    check_item(
        "pub const fn train(ctx: JobContext) -> Result<(), E> { Ok(()) }",
        &[&["job `train` cannot be a `const fn`"]],
    );
}

#[test]
fn future_instead_of_async() {
    check_item(
        "fn train(ctx: JobContext) -> impl Future<Output = Result<(), E>> { async { Ok(()) } }",
        &[&["job `train` must be an `async fn`", "= help: write `async fn train`"]],
    );
}

/// What used to be taken for a part of the value before it.
#[test]
fn commas_and_equals() {
    let no_comma = "expected a comma before argument `ssh`";
    check_arguments("timeout = 60 ssh = true", &[&[no_comma]]);
    check_arguments(
        "timeout = 6 ssh = 1",
        &[
            &["timeout of 6 seconds is out of range", TIMEOUT_RANGE],
            &[no_comma],
            &["argument `ssh` must be `true` or `false`"],
        ],
    );
    for operator in ["==", "=>"] {
        check_arguments(
            &format!("upload {operator} true"),
            &[&["expected `=` after argument `upload`", "= help: write `upload = false`"]],
        );
    }
    check_arguments(
        "ports = [http(\"a\", 8080) tcp(\"b\", 8081)]",
        &[&["expected a comma between two ports"]],
    );
}
