//! Runs of the job `serves`, and their clients.

use std::net::SocketAddr;
use std::path::PathBuf;

use chutes::Outcome;
use chutes::request::RunRequest;
use chutes::run::RunId;
use chutes::spec::JobSpec;
use chutes_test_support::events::{events, wait_for_event};
use chutes_test_support::{Finished, Running, Sandbox, start};
use rustix::process::Signal;
use serde_json::Value;

use crate::programs::new_sandbox;

/// A run of `serves` that goes on.
pub(super) struct Server {
    // The run uses the folder, so it is dropped first.
    pub(super) running: Running,
    pub(super) sandbox: Sandbox,
}

impl Server {
    /// Starts the job with more arguments, which are separated by blanks.
    pub(super) fn start(arguments: &str) -> Self {
        Self::start_in(new_sandbox(), arguments)
    }

    pub(super) fn start_in(sandbox: Sandbox, arguments: &str) -> Self {
        let arguments = format!("run serves --run-dir run --json --events events {arguments}");
        let words: Vec<&str> = arguments.split_whitespace().collect();
        Self { running: start(sandbox.command(&words)), sandbox }
    }

    /// Starts the job with a spec: these fields, and the job.
    pub(super) fn of_spec(mut spec: Value, arguments: &str) -> Self {
        let sandbox = new_sandbox();
        spec["job"] = "serves".into();
        std::fs::write(sandbox.path("spec.json"), spec.to_string()).unwrap();
        let arguments =
            format!("run serves --spec spec.json --run-dir run --json --events events {arguments}");
        let words: Vec<&str> = arguments.split_whitespace().collect();
        Self { running: start(sandbox.command(&words)), sandbox }
    }

    /// Starts the job with a request that has such a spec.
    pub(super) fn of_request(mut spec: Value) -> Self {
        let sandbox = new_sandbox();
        spec["job"] = "serves".into();
        let spec = JobSpec::from_json(&spec.to_string()).unwrap();
        let request = RunRequest::new(RunId::from_bytes([7; 16]), spec, sandbox.path("run"));
        std::fs::write(sandbox.path("request.json"), request.to_json().unwrap()).unwrap();
        let words = ["run", "--request", "request.json", "--json", "--events", "events"];
        Self { running: start(sandbox.command(&words)), sandbox }
    }

    /// The path of something in the directory of the run.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.sandbox.path("run").join(name)
    }

    pub(super) fn events(&self) -> Vec<Value> {
        events(&self.sandbox.path("events"))
    }

    /// Waits for an event of this name with this field.
    #[track_caller]
    pub(super) fn wait_for(&self, name: &str, field: &str, value: &str) -> Value {
        wait_for_event(&self.sandbox.path("events"), name, field, value)
    }

    /// Waits until a port is ready. Returns its address.
    #[track_caller]
    pub(super) fn ready(&self, port: &str) -> SocketAddr {
        self.wait_for("port_ready", "name", port)["address"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until a port has its address, which the job may not have opened yet.
    #[track_caller]
    pub(super) fn address(&self, port: &str) -> SocketAddr {
        self.wait_for("port", "name", port)["address"].as_str().unwrap().parse().unwrap()
    }

    /// Cancels the run, and waits for its end.
    #[track_caller]
    pub(super) fn cancel(self) -> (Outcome, Ended) {
        self.running.signal(Signal::TERM);
        let ended = self.finish();
        assert_eq!(ended.0.status().to_string(), "cancelled", "{ended:#?}");
        ended
    }

    #[track_caller]
    pub(super) fn finish(self) -> (Outcome, Ended) {
        let Self { running, sandbox } = self;
        let finished = running.finish();
        (finished.outcome(), Ended { finished, sandbox })
    }
}

/// A run that has ended, and its folder.
pub(super) struct Ended {
    pub(super) finished: Finished,
    pub(super) sandbox: Sandbox,
}

impl std::fmt::Debug for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.finished.fmt(f)
    }
}
