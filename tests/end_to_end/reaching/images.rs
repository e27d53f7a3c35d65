//! Ports of images, and images behind the TLS front.

use std::net::{IpAddr, SocketAddr, TcpListener};

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes_test_support::clients::front::Client;
use chutes_test_support::clients::tcp::{ask, check_free, connect};
use chutes_test_support::events::{events, named, wait_for_event};
use chutes_test_support::record::collected;
use chutes_test_support::{Running, own_address};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::stage::{Stage, shell, with};

/// A web server on a port of the container.
fn serves(port: u16, before: &str) -> Value {
    let script = format!(
        "mkdir /tmp/www; cd /tmp/www; echo well > health; echo 'a page' > index.html; \
         echo one > /output/checkpoint-1.bin; {before}; exec httpd -f -p {port}"
    );
    shell(&script)
}

/// A run of an image that goes on.
struct Serving {
    running: Running,
    stage: Stage,
}

impl Serving {
    fn start(spec: &Value) -> Self {
        let stage = Stage::new();
        Self { running: stage.start(spec), stage }
    }

    #[track_caller]
    fn wait_for(&self, name: &str, field: &str, value: &str) -> Value {
        wait_for_event(&self.stage.sandbox.path("events"), name, field, value)
    }

    #[track_caller]
    fn ready(&self, port: &str) -> SocketAddr {
        self.wait_for("port_ready", "name", port)["address"].as_str().unwrap().parse().unwrap()
    }

    /// Cancels the run, and waits for its end.
    #[track_caller]
    fn cancel(self) -> Outcome {
        self.running.signal(Signal::TERM);
        let ended = self.stage.ended(self.running.finish());
        assert_eq!(ended.outcome.status().to_string(), "cancelled", "{ended:#?}");
        assert_eq!(collected(&ended.outcome), ["checkpoint-1.bin"]);
        ended.outcome
    }
}

#[track_caller]
fn check_served(port: SocketAddr) {
    assert_eq!(port.ip(), own_address().parse::<IpAddr>().unwrap());
    let (status, body) = ask(port, "GET", "/");
    assert_eq!((status, &*body), (200, "a page\n"));
    assert_eq!(ask(port, "GET", "/nowhere").0, 404);
}

const WEB: &str = r#"[{"name": "web", "port": 8080, "proto": "http", "ready": "/health"}]"#;

#[track_caller]
fn check_reached(network: bool) {
    let ports: Value = serde_json::from_str(WEB).unwrap();
    let more = json!({"network": network, "ports": ports, "publish": ["web:0"]});
    let serving = Serving::start(&with(serves(8080, "true"), more));
    let web = serving.ready("web");
    assert_ne!(web.port(), 8080);
    check_served(web);
    let _open = connect(web);
    let outcome = serving.cancel();
    assert_eq!(outcome.endpoints.ports[0].address, web);
    assert_eq!(outcome.warnings, [""; 0]);
    check_free(&[web]);
}

#[test]
fn published_by_the_engine() {
    check_reached(true);
}

#[test]
fn relayed_into_a_container_without_network() {
    check_reached(false);
}

/// The program in the container ends when the first client does. It listens at every address of its container, which is
/// usual there.
#[test]
fn a_port_that_the_container_never_opens() {
    let ports = json!([
        {"name": "web", "port": 8080, "proto": "tcp"},
        {"name": "metrics", "port": 9090, "proto": "http"},
    ]);
    let script = "nc -l -p 8080 < /dev/null";
    let stage = Stage::new();
    let ended = stage.run(&with(
        shell(script),
        json!({"network": true, "ports": ports, "publish": ["web:0", "metrics:0"]}),
    ));
    let warning = "port `metrics` was never seen open: the job has ended without having opened port 9090 of its \
                   container; open it, or remove it from `ports`";
    assert_eq!(ended.outcome.warnings, [warning], "{ended:#?}");
}

#[test]
fn datagrams_need_a_network() {
    let ports = json!([{"name": "beacon", "port": 9100, "proto": "udp"}]);
    let stage = Stage::new();
    let ended = stage.run(&with(shell("true"), json!({"ports": ports})));
    ended.check(2, "rejected", FailureKind::InvalidSpec, &["`beacon`", "UDP", "network"]);
    assert_eq!(ended.statuses(), ["received", "rejected"]);
}

/// The mistake is found before an image is pulled: there is no such image, and no message about it.
#[test]
fn taken_ports_reject_the_run() {
    let _taken = TcpListener::bind((own_address(), 8080)).unwrap();
    for network in [true, false] {
        let ports: Value = serde_json::from_str(WEB).unwrap();
        let image = "localhost:1/no-such-image:1";
        let stage = Stage::new();
        let ended = stage.run(&json!({"image": image, "network": network, "ports": ports}));
        let said = format!("port `web` cannot be opened at {}:8080", own_address());
        ended.check(2, "rejected", FailureKind::PortUnavailable, &[&said]);
        assert_eq!(ended.statuses(), ["received", "rejected"]);
    }
}

/// As in ComputeHorde: no network, no declared port, port 8000.
#[test]
fn streaming_without_network() {
    let spec = with(
        serves(8000, "true"),
        json!({"streaming": true, "limits": {"streaming_start": "50s"}}),
    );
    let serving = Serving::start(&spec);
    let event = serving.wait_for("streaming", "", "");
    let client = Client::of(&event, &serving.stage.sandbox);
    assert_eq!(client.curl(&[], "/"), (0, "a page\n".to_owned()));
    serving.wait_for("status", "status", "streaming_ready");
    let outcome = serving.cancel();
    assert_eq!(outcome.warnings, [""; 0], "the port need not be declared");
    assert_eq!(outcome.endpoints.streaming.unwrap().port, client.address.port());
    check_free(&[client.address]);
}

/// The page is there, `/health` never is.
#[test]
fn images_that_are_never_healthy() {
    let limits = json!({"streaming": true, "limits": {"streaming_start": "2s"}});
    let stage = Stage::new();
    let ended = stage.run(&with(serves(8000, "rm health"), limits));
    ended.check(124, "timed_out", FailureKind::TimeLimit, &[]);
    let failure = ended.outcome.ending.failure().unwrap();
    assert_eq!(failure.phase.unwrap().as_str(), "streaming_start");
    assert_eq!(collected(&ended.outcome), ["checkpoint-1.bin"]);
    assert!(named(&events(&stage.sandbox.path("events")), "streaming").is_empty());
}
