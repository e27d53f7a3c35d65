//! What is said about each mistake, in full: the message, then its notes and its help.
//!
//! The message is a lowercase fragment that says what is wrong; how to put it right is in the help.

mod arguments;
mod function;
mod ports;
mod several;

use super::{Attribute, Job, OnShutdown, OnStartup, errors, tokens};

const TRAIN: &str = "async fn train(ctx: JobContext) -> Result<(), JobError> { Ok(()) }";

const PORT_RANGE: &str = "= note: a job may open port 2202 and ports 8002 to 65535";
const PORT_NAME: &str = "= note: a port name is lowercase ASCII letters, then optional digits";
const READY_PATH: &str =
    "= note: a readiness path begins with `/`, then visible ASCII characters without `#`";
const TIMEOUT_RANGE: &str = "= note: a timeout is between 30 and 86_400 seconds (24 hours)";
const A_JOB: &str =
    "= note: a job has the shape `async fn name(ctx: JobContext, data: T) -> Result<R, E>`";
const A_STARTUP_HOOK: &str =
    "= note: a startup hook has the shape `async fn name(ctx: JobContext) -> Result<S, E>`";
const A_SHUTDOWN_HOOK: &str =
    "= note: a shutdown hook has the shape `async fn name(ctx: JobContext) -> Result<(), E>`";
const KNOWN_TYPES: &str =
    "= note: a job is registered once, under one name, so its types must be known";
const HOOK_ORDER: &str = "= note: startup hooks run from the lowest priority to the highest, \
    shutdown hooks the other way round";

const UNIQUE_NAME: &str = "= help: give each port a name of its own";
const WRITE_PORT: &str = "= help: write a port as `http(\"name\", 8080)`, `tcp(\"name\", 8080)`, \
    or `udp(\"name\", 8080)`";
const WRITE_PORTS: &str = "= help: write `ports = [http(\"web\", 8080)]`";
const WRITE_READY: &str = "= help: write `ready = \"/health\"`";
const ONLY_READY: &str = "= help: the only argument is `ready`";
const WRITE_TIMEOUT: &str =
    "= help: write a literal, for example `timeout = 3_600` or `timeout = \"1h\"` for one hour";
const WRITE_DURATION: &str = "= help: write, for example, `timeout = \"1h 30m\"`";
const NO_TIMEOUT: &str = "= help: leave `timeout` out for a job without a time limit";
const REMOVE_ONE: &str = "= help: remove one of them";
const SSH_OPENS: &str = "= help: remove this port: `ssh = true` already opens it";
const PROTOCOLS: &str = "= help: the protocols are `http`, `tcp`, and `udp`";
const JOB_ARGUMENTS: &str = "= help: the arguments are `ports`, `timeout`, `upload`, and `ssh`";
const WRITE_ARGUMENT: &str = "= help: write an argument as `name = value`";
const RETURN_RESULT: &str = "= help: add a return type, for example `-> Result<(), JobError>`";
const LEAVE_IMPL: &str = "= help: move the job out of the `impl` block";
const OWNED: &str = "= help: take an owned type, for example `String` for `&str`";
const WITH_BODY: &str = "= help: write the job with its body, outside of any `trait`";
const ONE_STRUCT: &str = "= help: put what the job needs into one struct as its data";
const ON_ASYNC_FN: &str = "= help: apply it to an `async fn`";

/// Checks all problems of one use of an attribute: each is its message and the lines below it.
#[track_caller]
fn check_of(attribute: Attribute, arguments: &str, item: &str, expected: &[&[&str]]) {
    let expansion = attribute.expand(tokens(arguments), tokens(item));
    let item_is_kept = expansion.to_string().contains(&tokens(item).to_string());
    assert!(item_is_kept, "{attribute:?}: {arguments}: {item}");
    let found = errors(expansion);
    let expected: Vec<String> = expected.iter().map(|lines| lines.join("\n")).collect();
    assert_eq!(found, expected, "{attribute:?}: {arguments}: {item}");
}

#[track_caller]
fn check(arguments: &str, item: &str, expected: &[&[&str]]) {
    check_of(Job, arguments, item, expected);
}

#[track_caller]
fn check_arguments(arguments: &str, expected: &[&[&str]]) {
    check(arguments, TRAIN, expected);
}

#[track_caller]
fn check_item(item: &str, expected: &[&[&str]]) {
    check("", item, expected);
}
