//! What is said about ports that a job does not open as it declares them.

use std::net::{IpAddr, SocketAddr};

use chutes_test_support::clients::tcp::connect;
use chutes_test_support::events::{events, named, wait_for_event};
use chutes_test_support::{Running, Sandbox, own_address, start};
use rustix::process::Signal;

use crate::programs::new_sandbox;

/// Lets a run have any number for each of its ports.
const ANYWHERE: &str = "--publish web:0 --publish beacon:0";

/// Starts the job, with more arguments.
fn start_job(sandbox: &Sandbox, how: &str, arguments: &str) -> Running {
    let line = format!(
        r#"run opens_ports --data "{how}" --run-dir run --json --events events {ANYWHERE} {arguments}"#
    );
    let words: Vec<&str> = line.split_whitespace().collect();
    start(sandbox.command(&words))
}

/// The beginnings of the warnings about `web` and `beacon`.
const BOTH: [&str; 2] =
    ["port `web` was never seen open: the job has ended", "port `beacon` was never seen open"];

#[track_caller]
fn check_warnings(sandbox: &Sandbox, found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "`{found}` is not `{expected}`");
    }
    let all = events(&sandbox.path("events"));
    let reported: Vec<_> = named(&all, "warning").iter().map(|it| it["message"].clone()).collect();
    assert_eq!(reported, found);
}

/// A job that has ended without having opened its ports did not do what it declares, whether it has completed, has
/// failed, or has used all of its time.
#[test]
fn ports_that_are_never_opened() {
    for (how, arguments, status) in [
        ("nothing", "", "completed"),
        ("nothing_and_fails", "", "failed"),
        ("nothing_for_ever", "--time-limit 1s", "timed_out"),
    ] {
        let sandbox = new_sandbox();
        let outcome = start_job(&sandbox, how, arguments).finish().outcome();
        assert_eq!(outcome.status().to_string(), status);
        check_warnings(&sandbox, &outcome.warnings, &BOTH);
        let address = outcome.endpoints.ports[0].address.to_string();
        assert!(outcome.warnings[0].contains(&address), "{:?}", outcome.warnings);
    }
}

/// A job that was stopped may not have come to open its ports.
#[test]
fn a_cancelled_job_may_not_have_opened_its_ports_yet() {
    let sandbox = new_sandbox();
    let mut running = start_job(&sandbox, "nothing_for_ever", "");
    running.wait_for("it runs");
    running.signal(Signal::TERM);
    let outcome = running.finish().outcome();
    assert_eq!(outcome.status().to_string(), "cancelled");
    check_warnings(&sandbox, &outcome.warnings, &[]);
}

/// Its context knows of a port that was open for so short a time that the watch could not see it.
#[test]
fn ports_that_are_opened_for_a_moment() {
    let sandbox = new_sandbox();
    let outcome = start_job(&sandbox, "briefly", "").finish().outcome();
    check_warnings(&sandbox, &outcome.warnings, &[]);
}

#[test]
fn ports_that_are_opened_without_the_context() {
    let sandbox = new_sandbox();
    let running = start_job(&sandbox, "until_asked", "");
    let ready = wait_for_event(&sandbox.path("events"), "port_ready", "name", "web");
    let _open = connect(ready["address"].as_str().unwrap().parse().unwrap());
    let outcome = running.finish().outcome();
    check_warnings(&sandbox, &outcome.warnings, &BOTH[1..]);
}

#[test]
fn every_address_where_one_was_asked_for() {
    for (everywhere, host) in [(false, own_address()), (true, "0.0.0.0".to_owned())] {
        let sandbox = new_sandbox();
        let running = start_job(&sandbox, "everywhere", &format!("--host {host}"));
        let ready = wait_for_event(&sandbox.path("events"), "port_ready", "name", "web");
        let address: SocketAddr = ready["address"].as_str().unwrap().parse().unwrap();
        let number = address.port();
        let _open = connect((own_address().parse::<IpAddr>().unwrap(), number).into());
        let outcome = running.finish().outcome();
        let exposed = format!("the job listens on port {number} at every address of this machine");
        let expected = [&*exposed, BOTH[1]];
        check_warnings(&sandbox, &outcome.warnings, &expected[usize::from(everywhere)..]);
    }
}
