//! Mistakes in the arguments of an attribute, ports apart.

use super::*;

#[test]
fn nothing_wrong() {
    for arguments in [
        "",
        "upload = true,",
        "timeout = 0x1F4, ports = [http(\"web\", 0x1F90),], upload = false, ssh = true",
        "timeout = \"1h 30m\"",
        "crate = crate::reexported",
    ] {
        check_arguments(arguments, &[]);
    }
}

#[test]
fn timeout_out_of_range() {
    for seconds in ["10", "0", "29"] {
        let message = format!("timeout of {seconds} seconds is out of range");
        check_arguments(&format!("timeout = {seconds}"), &[&[&message, TIMEOUT_RANGE]]);
    }
    for seconds in ["86401", "100000000000000000000000000"] {
        let message = format!("timeout of {seconds} seconds is out of range");
        let expected = [&message, TIMEOUT_RANGE, NO_TIMEOUT];
        check_arguments(&format!("timeout = {seconds}"), &[&expected]);
    }
    check_arguments(
        "timeout = \"2d\"",
        &[&["timeout of 172800 seconds is out of range", TIMEOUT_RANGE, NO_TIMEOUT]],
    );
}

#[test]
fn timeout_below_zero() {
    check_arguments("timeout = -5", &[&["timeout of -5 seconds is out of range", TIMEOUT_RANGE]]);
}

#[test]
fn timeout_not_a_number() {
    let message = "argument `timeout` must be a whole number of seconds";
    for value in ["true", "3600.5", "-0.5", "[60]", "f64::INFINITY", "2 * 3_600"] {
        check_arguments(&format!("timeout = {value}"), &[&[message, WRITE_TIMEOUT]]);
    }
    check_arguments("timeout = None", &[&[message, NO_TIMEOUT]]);
    check_arguments(
        "timeout = \"60\"",
        &[&[
            "invalid duration `60`",
            "= note: each number of a duration needs a unit: `d`, `h`, `m`, or `s`",
            WRITE_DURATION,
        ]],
    );
    check_arguments(
        "timeout = \"1w\"",
        &[&[
            "invalid duration `1w`",
            "= note: the units of a duration are `d`, `h`, `m`, and `s`",
            WRITE_DURATION,
        ]],
    );
}

/// A suffix looks like a unit, so it must not be passed over: 90 minutes are not 90 seconds.
#[test]
fn timeout_with_suffix() {
    let message = "argument `timeout` must be a whole number of seconds";
    for (value, help) in [
        ("90m", "= help: write `timeout = \"90m\"`"),
        ("2h", "= help: write `timeout = \"2h\"`"),
        ("3_600s", WRITE_TIMEOUT),
        ("3600f64", WRITE_TIMEOUT),
    ] {
        check_arguments(&format!("timeout = {value}"), &[&[message, help]]);
    }
    for value in ["3_600_u64", "3600i32"] {
        check_arguments(&format!("timeout = {value}"), &[]);
    }
}

#[test]
fn flag() {
    for value in ["1", "\"no\"", "None", "[]", "!true"] {
        let upload = "argument `upload` must be `true` or `false`";
        check_arguments(&format!("upload = {value}"), &[&[upload]]);
        let ssh = "argument `ssh` must be `true` or `false`";
        check_arguments(&format!("ssh = {value}"), &[&[ssh]]);
    }
}

#[test]
fn argument_unknown() {
    for (name, meant) in [("timout", "timeout"), ("port", "ports"), ("uplaod", "upload")] {
        let message = format!("unknown argument `{name}` for the `job` attribute");
        let help = format!("= help: did you mean `{meant}`?");
        check_arguments(&format!("{name} = 60"), &[&[&message, &help]]);
    }
    for argument in ["gpu = 8", "retry(3)", "gpu"] {
        let name = argument.split([' ', '(']).next().unwrap();
        let message = format!("unknown argument `{name}` for the `job` attribute");
        check_arguments(argument, &[&[&message, JOB_ARGUMENTS]]);
    }
    check_of(
        OnStartup,
        "gpu = 8",
        TRAIN,
        &[&[
            "unknown argument `gpu` for the `on_startup` attribute",
            "= help: the only argument is `priority`",
        ]],
    );
    check_of(
        OnShutdown,
        "prio = 8, priorty = 9",
        TRAIN,
        &[
            &[
                "unknown argument `prio` for the `on_shutdown` attribute",
                "= help: the only argument is `priority`",
            ],
            &[
                "unknown argument `priorty` for the `on_shutdown` attribute",
                "= help: did you mean `priority`?",
            ],
        ],
    );
}

#[test]
fn argument_without_value() {
    for (argument, name, example) in [
        ("ssh", "ssh", "ssh = true"),
        ("ssh =", "ssh", "ssh = true"),
        ("upload", "upload", "upload = false"),
        ("timeout", "timeout", "timeout = 3_600"),
        ("ports", "ports", "ports = [http(\"web\", 8080)]"),
        ("crate", "crate", "crate = ::my_chutes"),
    ] {
        let message = format!("argument `{name}` needs a value");
        check_arguments(argument, &[&[&message, &format!("= help: write `{example}`")]]);
    }
    check_arguments(
        "timeout(60)",
        &[&["expected `=` after argument `timeout`", "= help: write `timeout = 3_600`"]],
    );
}

#[test]
fn argument_twice() {
    let twice = ["argument `timeout` is given more than once", REMOVE_ONE];
    check_arguments("timeout = 60, timeout = 60", &[&twice]);
    check_arguments("timeout = 60, ssh = true, timeout = 70, timeout", &[&twice, &twice]);
}

#[test]
fn not_an_argument() {
    let expected = ["expected an argument of the `job` attribute", WRITE_ARGUMENT];
    for arguments in ["60", "\"2h\"", "[http(\"web\", 8080)]", ",", "ssh = true,,", "= 60"] {
        check_arguments(arguments, &[&expected]);
    }
}

#[test]
fn crate_path() {
    check_arguments(
        "crate = my_chutes::inner",
        &[&[
            "argument `crate` must be an absolute path",
            "= help: write `crate = ::my_chutes::inner`",
        ]],
    );
    for value in ["self::chutes", "super::chutes"] {
        check_arguments(
            &format!("crate = {value}"),
            &[&[
                "argument `crate` must be an absolute path",
                "= help: write a path that starts with `crate::` or `::`",
            ]],
        );
    }
    for value in ["\"::my_chutes\"", "60", "::a + ::b", "::a::<B>"] {
        check_arguments(
            &format!("crate = {value}"),
            &[&[
                "argument `crate` must be a path",
                "= help: write, for example, `crate = ::my_chutes`",
            ]],
        );
    }
}

#[test]
fn priority() {
    let expected = [
        "argument `priority` must be a whole number",
        HOOK_ORDER,
        "= help: write, for example, `priority = 10`",
    ];
    for value in ["\"10\"", "1.5", "high", "10s"] {
        for attribute in [OnStartup, OnShutdown] {
            check_of(attribute, &format!("priority = {value}"), TRAIN, &[&expected]);
        }
    }
    check_of(
        OnStartup,
        "priority = 3_000_000_000",
        TRAIN,
        &[&[
            "priority 3000000000 is out of range",
            "= note: a priority is between -2147483648 and 2147483647",
        ]],
    );
    for value in ["0", "-1", "2147483647", "-2147483648"] {
        check_of(OnStartup, &format!("priority = {value}"), TRAIN, &[]);
    }
}
