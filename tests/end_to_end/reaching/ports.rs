//! Ports of jobs: their owners, their addresses, and when they are open.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use chutes::Outcome;
use chutes::outcome::FailureKind;
use chutes_test_support::clients::tcp::{
    ask, check_beacon, check_echo, check_free, connect, free_number,
};
use chutes_test_support::events::{events, named};
use chutes_test_support::record::statuses;
use chutes_test_support::{Finished, Sandbox, own_address, wait_until};
use rustix::process::Signal;
use serde_json::Value;

use super::server::{Ended, Server};

/// Lets a run have any number for each of its ports.
const ANYWHERE: &str = "--publish web:0 --publish echo:0 --publish beacon:0";

/// Checks that nothing was started, and that the failure says all of these.
#[track_caller]
fn check_rejected(ended: &(Outcome, Ended), kind: FailureKind, said: &[&str]) {
    let (outcome, ended) = ended;
    assert_eq!(ended.finished.code, Some(2), "{ended:#?}");
    assert_eq!(outcome.status().to_string(), "rejected");
    let failure = outcome.ending.failure().unwrap();
    assert_eq!(failure.kind, kind, "{failure:?}");
    for text in said {
        assert!(failure.message.contains(text), "`{text}` is not said: {failure:?}");
    }
    let root = ended.sandbox.path("run");
    assert_eq!(statuses(&root), ["received"]);
    assert!(!root.join("scratch/hooks.txt").exists(), "a startup hook has run");
    assert!(outcome.outputs.is_empty(), "{:#?}", outcome.outputs);
    assert_eq!(outcome.endpoints.ports, [], "nothing is open");
    assert!(named(&events(&ended.sandbox.path("events")), "port").is_empty());
}

/// Nothing is published for a run whose data is wrong.
#[test]
fn wrong_data_rejects_the_run() {
    let ended = Server::start("--set no_such_field=1").finish();
    check_rejected(&ended, FailureKind::InvalidData, &["data"]);
}

#[test]
fn taken_ports_reject_the_run() {
    let at = |number| format!("{}:{number}", own_address());
    let tcp = TcpListener::bind(at(8080)).unwrap();
    let ended = Server::start("").finish();
    let place = format!("port `web` cannot be opened at {}", at(8080));
    check_rejected(&ended, FailureKind::PortUnavailable, &[&place, "`--publish web:0`"]);
    drop(tcp);
    let udp = UdpSocket::bind(at(9100)).unwrap();
    let ended = Server::start("").finish();
    let place = format!("port `beacon` cannot be opened at {}", at(9100));
    check_rejected(&ended, FailureKind::PortUnavailable, &[&place]);
    drop(udp);
    // The ports of the rejected runs are free again.
    let server = Server::start("");
    server.ready("web");
    server.cancel();
}

#[test]
fn undeclared_ports_are_not_published() {
    let ended = Server::start("--publish wbe:0").finish();
    let declared = "`web` (8080), `echo` (9000), `beacon` (9100)";
    check_rejected(&ended, FailureKind::InvalidSpec, &["`wbe:0`", declared, "did you mean `web`?"]);
    let ended = Server::start("--publish 8081:0").finish();
    check_rejected(&ended, FailureKind::InvalidSpec, &["`8081:0`", declared]);
}

#[test]
fn other_addresses_are_refused_when_this_machine_does_not_have_them() {
    let ended = Server::start("--host 192.0.2.1").finish();
    let said = "this machine has no such address";
    check_rejected(&ended, FailureKind::PortUnavailable, &["192.0.2.1:8080", said]);
}

/// The addresses of the ports in the outcome.
fn ports(outcome: &Outcome) -> Vec<(&str, SocketAddr)> {
    let ports = outcome.endpoints.ports.iter();
    ports.map(|port| (port.port.name().as_str(), port.address)).collect()
}

#[test]
fn ports_where_they_are_published() {
    let number = free_number(&own_address());
    let server = Server::start(&format!("--publish web:0 --publish 9000:{number}"));
    let [web, echo, beacon] = ["web", "echo", "beacon"].map(|name| server.ready(name));
    for address in [web, echo, beacon] {
        assert_eq!(address.ip().to_string(), own_address());
    }
    assert!(web.port() != 8080 && web.port() != 0, "{web}");
    assert_eq!((echo.port(), beacon.port()), (number, 9100));
    let all = [("web", web), ("echo", echo), ("beacon", beacon)];
    for (name, address) in all {
        assert_eq!(server.address(name), address, "{name}");
    }
    assert_eq!(ask(web, "GET", "/"), (200, "a page\n".to_owned()));
    check_echo(echo);
    check_beacon(beacon);

    // A program that the job starts can find them, too.
    let (_, environment) = ask(web, "GET", "/environment");
    let mut variables: Vec<&str> =
        environment.lines().filter(|line| line.starts_with("CHUTES_PORT_")).collect();
    variables.sort_unstable();
    let expected = [
        format!("CHUTES_PORT_TCP_8080={}", web.port()),
        format!("CHUTES_PORT_TCP_9000={number}"),
        "CHUTES_PORT_UDP_9100=9100".to_owned(),
    ];
    assert_eq!(variables, expected);

    // Connections that are open at the end do not delay it.
    let _open = connect(echo);
    let (outcome, ended) = server.cancel();
    check_free(&[web, echo, beacon]);
    assert_eq!(ports(&outcome), all);
    let printed: Value = serde_json::from_str(&ended.finished.stdout).unwrap();
    assert_eq!(printed["ports"][0]["port"], 8080);
    assert_eq!(printed["ports"][0]["ready"], "/health");
    assert_eq!(outcome.warnings, [""; 0]);
}

#[test]
fn numbers_can_be_used_again_at_once() {
    for _ in 0..2 {
        let server = Server::start("");
        let addresses = ["web", "echo", "beacon"].map(|name| server.ready(name));
        assert_eq!(addresses.map(|address| address.port()), [8080, 9000, 9100]);
        check_echo(addresses[1]);
        let _open = connect(addresses[1]);
        server.cancel();
        check_free(&addresses);
    }
}

#[test]
fn many_runs_share_one_machine() {
    let servers: Vec<Server> = (0..3).map(|_| Server::start(ANYWHERE)).collect();
    let mut numbers: Vec<u16> = servers.iter().map(|server| server.ready("web").port()).collect();
    for server in &servers {
        check_echo(server.ready("echo"));
        check_beacon(server.ready("beacon"));
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 3);
    // A run that requests the number of another one is refused.
    let taken = numbers[1];
    let ended = Server::start(&format!("{ANYWHERE} --publish web:{taken}")).finish();
    let said = "port `web` is published twice";
    check_rejected(&ended, FailureKind::InvalidSpec, &[said]);
    let ended = Server::start(&format!("--publish web:{taken} --publish echo:0")).finish();
    let said = format!("{}:{taken}", own_address());
    check_rejected(&ended, FailureKind::PortUnavailable, &["`web`", &said]);
    for server in servers {
        server.cancel();
    }
}

/// Two runs exclude each other although neither of their jobs has opened anything yet.
#[test]
fn the_second_run_is_refused_from_the_start() {
    let mut first = Server::start(r#"--grace 1s --data {"hooks":["startup_hangs"]}"#);
    first.running.wait_for("starting up");
    let ended = Server::start("").finish();
    let said = ["`web`", "another run on this machine has it", "--publish web:0"];
    check_rejected(&ended, FailureKind::PortUnavailable, &said);
    first.cancel();

    // All addresses of the machine include the one of the first.
    let number = free_number("0.0.0.0");
    let arguments = format!("--grace 1s --publish web:{number}");
    let hangs = r#"--data {"hooks":["startup_hangs"]}"#;
    let mut first = Server::start(&format!("{arguments} {hangs}"));
    first.running.wait_for("starting up");
    let everywhere =
        format!("--host 0.0.0.0 {ANYWHERE}").replace("web:0", &format!("web:{number}"));
    let ended = Server::start(&everywhere).finish();
    check_rejected(&ended, FailureKind::PortUnavailable, &said);
    first.cancel();
}

/// A port with a readiness path is ready when that path answers 200, and not when it is open.
#[test]
fn ready_when_the_job_says_so() {
    let server = Server::start(r#"--data {"healthy":false}"#);
    server.ready("echo");
    server.ready("beacon");
    let web = server.address("web");
    wait_until("its readiness is asked for again and again", || {
        ask(web, "GET", "/asked").1.parse::<u32>().unwrap() >= 3
    });
    let is_of_web = |event: &&Value| event["name"] == "web";
    let before = server.events();
    assert!(!named(&before, "port_ready").iter().any(is_of_web), "{before:#?}");
    assert_eq!(ask(web, "POST", "/healthy").0, 200);
    assert_eq!(server.ready("web"), web);
    let (_, ended) = server.cancel();
    let all = events(&ended.sandbox.path("events"));
    assert_eq!(named(&all, "port_ready").len(), 3, "each is reported once: {all:#?}");
    assert_eq!(named(&all, "port").len(), 3, "{all:#?}");
}

#[test]
fn undeclared_ports_are_warned_of_once() {
    let mut server = Server::start(r#"--data {"undeclared":true,"healthy":false}"#);
    server.running.wait_for("serving");
    let warning = server.wait_for("warning", "", "");
    let log = std::fs::read_to_string(server.path("logs/stdout.log")).unwrap();
    let (_, address) = log.split_once("undeclared: ").unwrap();
    let number = address.lines().next().unwrap().rsplit(':').next().unwrap().to_owned();
    let message = warning["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&number), "{message} has no {number}");
    let web = server.address("web");
    let asked = || ask(web, "GET", "/asked").1.parse::<u32>().unwrap();
    let before = asked();
    // Before each readiness request, the sockets have been checked again.
    wait_until("its sockets are looked at more often", || asked() >= before + 3);
    let (outcome, ended) = server.cancel();
    assert_eq!(outcome.warnings, [message]);
    let all = events(&ended.sandbox.path("events"));
    assert_eq!(named(&all, "warning").len(), 1, "{all:#?}");
}

#[test]
fn version_six_of_the_internet_protocol() {
    let server = Server::start(&format!("--host ::1 {ANYWHERE}"));
    let [web, echo, beacon] = ["web", "echo", "beacon"].map(|name| server.ready(name));
    assert!([web, echo, beacon].iter().all(SocketAddr::is_ipv6));
    assert_eq!(ask(web, "GET", "/").0, 200);
    check_echo(echo);
    check_beacon(beacon);
    server.cancel();
    check_free(&[web, echo, beacon]);
}

/// After the supervisor was killed its ports are free, and still in its record.
#[test]
fn killed_supervisor() {
    let server = Server::start("--publish web:0");
    let addresses = ["web", "echo", "beacon"].map(|name| server.ready(name));
    let Server { running, sandbox } = server;
    running.signal(Signal::KILL);
    running.finish_killed();
    wait_until("the job has ended, too", || {
        addresses[..2].iter().all(|address| TcpListener::bind(address).is_ok())
    });
    check_free(&addresses);
    let recovered: Finished = recover(&sandbox);
    let outcome = recovered.recovered_outcome();
    let [web, echo, beacon] = addresses;
    assert_eq!(ports(&outcome), [("web", web), ("echo", echo), ("beacon", beacon)]);
    assert_eq!(outcome.outputs.len(), 1, "{outcome:#?}");
}

fn recover(sandbox: &Sandbox) -> Finished {
    sandbox.run("recover run --json")
}
