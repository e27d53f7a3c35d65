//! Sinks that take nothing more: they are given up as a whole, and a run that is asked to stop meanwhile ends.

use std::time::{Duration, Instant};

use chutes_test_support::machine::unshare;
use chutes_test_support::servers::http::{Act, HttpServer, status};
use chutes_test_support::{finish, start};
use rustix::process::Signal;

use super::{command, files, incomplete};
use crate::programs::new_sandbox;

/// Much less than attempts at one file take.
const SOON: Duration = Duration::from_mins(1);

#[test]
fn full_directory() {
    let sandbox = new_sandbox();
    std::fs::create_dir(sandbox.path("disk")).unwrap();
    let script = "mount -t tmpfs -o size=40k none disk && exec \"$@\"";
    let wrapper = [&unshare(&["--mount"])[..], &["sh", "-c", script, "sh"]].concat();
    let names: Vec<String> = (0..50).map(|number| format!("f{number}")).collect();
    let sizes: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 20_000)).collect();
    let data = files(&sizes).to_string();
    let arguments =
        ["run", "delivers", "--data", &data, "--run-dir", "run", "--output", "disk/to", "--json"];
    let begin = Instant::now();
    let finished = finish(sandbox.wrapped(&wrapper, &arguments));
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    let outcome = incomplete(&finished);
    let sink = &outcome.sinks[0];
    assert!(sink.failed >= 48, "{sink:?}");
    // Each file says why.
    let reasons = outcome.outputs.iter().flat_map(|file| &file.deliveries).filter_map(|it| {
        let chutes::sink::DeliveryState::Failed { reason } = &it.state else { return None };
        Some(reason)
    });
    let mut given_up = 0;
    for reason in reasons {
        assert!(reason.contains("No space left on device"), "{reason}");
        given_up += usize::from(reason.starts_with("the sink was given up: "));
    }
    assert!(given_up > 30, "{given_up}");
}

/// A server that always fails is reported while it is tried again, and one signal ends that.
#[test]
fn asked_to_stop_between_attempts() {
    let (server, sandbox) = (HttpServer::start(|_| Act::Answer(status(503))), new_sandbox());
    let url = server.url("/put/a.bin");
    let output = format!("a.bin={url}");
    let mut running =
        start(command(&sandbox, "delivers", &files(&[("a.bin", 10)]), &["--output", &output]));
    running.wait_for("warning: delivering `a.bin` to ");
    let begin = Instant::now();
    running.signal(Signal::TERM);
    let finished = running.finish();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    let outcome = incomplete(&finished);
    let reason = super::reason(&outcome, "a.bin");
    let expected =
        "it is not tried again, because the run was asked to stop; the last attempt: PUT ";
    assert!(reason.starts_with(expected), "{reason}");
    assert!(reason.ends_with("was answered with 503 Service Unavailable"), "{reason}");
    assert!(finished.stderr.contains("503 Service Unavailable; attempt 1 failed"), "{finished:#?}");
    assert!(finished.stderr.contains("warning: the run was asked to stop: "), "{finished:#?}");
}
