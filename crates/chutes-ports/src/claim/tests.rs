use std::collections::HashSet;
use std::io::Read;
use std::net::{TcpStream, UdpSocket};

use chutes_core::FailureKind;
use proptest::prelude::*;
use rustix::io::Errno;
use rustix::net::SocketType;

use super::*;
use crate::testing::exclusive;

/// An address of its own: the other tests of this process use 127.0.0.1.
const HOST: &str = "127.0.0.7";

fn declared(ports: &[(&'static str, u16, Protocol)], ssh: bool) -> Ports {
    let port = |&(name, number, protocol): &(&'static str, u16, Protocol)| {
        Port::for_image(name, number.into(), protocol).unwrap()
    };
    Ports::new(ports.iter().map(port).collect(), ssh).unwrap()
}

fn all_free(ports: &Ports) -> Vec<Publish> {
    ports.iter().map(|port| format!("{}:0", port.name()).parse().unwrap()).collect()
}

fn parsed(publish: &[&str]) -> Vec<Publish> {
    publish.iter().map(|text| text.parse().unwrap()).collect()
}

/// Every kind of port, each at a free number.
fn some_claims(host: &str) -> Claims {
    let ports =
        [("web", 8080, Protocol::Http), ("raw", 80, Protocol::Tcp), ("m", 53, Protocol::Udp)];
    let ports = declared(&ports, true);
    Claims::take(&ports, host.parse().unwrap(), &all_free(&ports)).unwrap()
}

/// The message when a port cannot be opened at this address.
fn refusal(protocol: Protocol, address: SocketAddr) -> String {
    let ports = declared(&[("web", address.port(), protocol)], false);
    let error = Claims::take(&ports, address.ip(), &[]).unwrap_err();
    assert_eq!(error.kind(), FailureKind::PortUnavailable);
    error.to_string()
}

#[tokio::test]
async fn held_until_they_are_released() {
    // A child that another test starts has, for a moment, all sockets of this process.
    let _turn = exclusive().await;
    for host in [HOST, "0.0.0.0", "::1", "::"] {
        let mut claims = some_claims(host);
        let names: Vec<String> =
            claims.addresses().iter().map(|at| at.port.name().to_string()).collect();
        assert_eq!(names, ["web", "raw", "m", "ssh"]);
        let ports = claims.job_ports();
        assert_eq!(ports, claims.addresses()[..3]);
        let free = |at: &PortAddress| match at.port.protocol() {
            Protocol::Udp => UdpSocket::bind(at.address).is_ok(),
            Protocol::Http | Protocol::Tcp => TcpListener::bind(at.address).is_ok(),
        };
        for at in &ports {
            assert!(at.address.port() != 0 && !free(at), "{at:?}");
        }
        assert!(TcpStream::connect((HOST, ports[0].address.port())).is_err());
        claims.release();
        for at in &ports {
            assert!(free(at), "{at:?}");
        }
    }
}

#[test]
fn ssh_listens_at_once_and_until_the_end() {
    let mut claims = some_claims(HOST);
    let ssh = claims.addresses().pop().unwrap();
    claims.release();
    let client = TcpStream::connect(ssh.address).unwrap();
    let listener = claims.take_ssh().unwrap();
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    // It does not block.
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    assert!(claims.take_ssh().is_none());
    let plain = declared(&[("web", 2202, Protocol::Tcp)], false);
    let mut plain = Claims::take(&plain, HOST.parse().unwrap(), &parsed(&["web:0"])).unwrap();
    assert!(plain.take_ssh().is_none());
    assert_eq!(plain.job_ports().len(), 1);
}

#[test]
fn a_port_that_is_in_use() {
    let own = format!("(process {}) has it open; end that, or let the run", std::process::id());
    let listener = TcpListener::bind((HOST, 0)).unwrap();
    let socket = UdpSocket::bind((HOST, 0)).unwrap();
    for (protocol, address) in [
        (Protocol::Http, listener.local_addr().unwrap()),
        (Protocol::Udp, socket.local_addr().unwrap()),
    ] {
        let message = refusal(protocol, address);
        assert!(message.contains(&own), "{message}");
        assert!(message.starts_with(&format!("port `web` cannot be opened at {address}: ")));
        assert!(message.ends_with("(`--publish web:0`)"), "{message}");
    }
    // The unspecified address is in use, too.
    let all = SocketAddr::new("0.0.0.0".parse().unwrap(), listener.local_addr().unwrap().port());
    assert!(refusal(Protocol::Tcp, all).contains(&own));
    let away = refusal(Protocol::Tcp, "192.0.2.1:80".parse().unwrap());
    assert!(away.contains("this machine has no such address"), "{away}");
}

#[tokio::test]
async fn closed_connections_do_not_block_a_port() {
    // A child that another test starts has, for a moment, all sockets of this process.
    let _turn = exclusive().await;
    let listener = TcpListener::bind((HOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    // The server is the first to close, so its side of the connection stays.
    drop(listener.accept().unwrap());
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    drop((client, listener));
    assert_eq!(hold::bind_exclusive(address, SocketType::STREAM).unwrap_err(), Errno::ADDRINUSE);
    let ports = declared(&[("web", address.port(), Protocol::Tcp)], false);
    let mut claims = Claims::take(&ports, address.ip(), &[]).unwrap();
    assert_eq!(claims.addresses()[0].address, address);
    // It is held like any other, and no client can connect.
    assert!(TcpListener::bind(address).is_err());
    assert!(TcpStream::connect(address).is_err());
    assert!(hold::bind(address, Transport::Tcp, false).is_err());
    claims.release();
    TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn released_numbers_stay_reserved() {
    // A child that another test starts has, for a moment, all sockets of this process.
    let _turn = exclusive().await;
    let mut claims = some_claims(HOST);
    claims.release();
    for at in claims.job_ports() {
        let message = refusal(at.port.protocol(), at.address);
        assert!(message.contains("another run on this machine has it; wait for"), "{message}");
    }
    let (ports, taken) = (claims.job_ports(), &ports_of(&claims));
    drop(claims);
    for at in ports {
        let again = declared(&[("web", at.address.port(), at.port.protocol())], false);
        let again = Claims::take(&again, at.address.ip(), &[]).unwrap();
        assert!(taken.contains(&again.addresses()[0].address));
    }
}

fn ports_of(claims: &Claims) -> HashSet<SocketAddr> {
    claims.addresses().iter().map(|at| at.address).collect()
}

#[test]
fn no_number_twice() {
    let mut all = HashSet::new();
    let many: Vec<Claims> = (0..50)
        .map(|_| {
            let mut claims = some_claims(HOST);
            claims.release();
            claims
        })
        .collect();
    for claims in &many {
        for at in claims.addresses() {
            let transport = Transport::of(at.port.protocol());
            assert!(all.insert((transport, at.address)), "{at:?}");
        }
    }
    assert_eq!(all.len(), 200);
}

/// The kernel may hand out reserved numbers, because no socket is bound to them.
#[test]
fn a_reserved_number_is_passed_over() {
    let port = Port::new("web", 8080, Protocol::Tcp).unwrap();
    let any = SocketAddr::new(HOST.parse().unwrap(), 0);
    let mut tries = 0;
    let mut reserve = |address: SocketAddr, transport: Transport| {
        tries += 1;
        if tries < 3 {
            Err(io::ErrorKind::AddrInUse.into())
        } else {
            Reservation::make(address, transport)
        }
    };
    let held = Held::take_with(&port, any, false, &mut reserve).unwrap();
    assert!(held.at.address.port() != 0 && tries == 3);
    let mut never = |_, _| Err(io::ErrorKind::AddrInUse.into());
    let mut refused = |address| Held::take_with(&port, address, false, &mut never).unwrap_err();
    assert!(refused(any).to_string().contains("another run on this machine has it"));
    assert!(refused(held.at.address).to_string().contains("has it open"));
}

#[tokio::test]
async fn fixed_numbers_are_bound_before_free_ones() {
    // A child that another test starts has, for a moment, all sockets of this process.
    let _turn = exclusive().await;
    let held = TcpListener::bind((HOST, 0)).unwrap();
    let number = held.local_addr().unwrap().port();
    drop(held);
    let ports = [("first", 8080, Protocol::Tcp), ("second", 8081, Protocol::Tcp)];
    let publish = [format!("second:{number}"), "first:0".to_owned()];
    let publish: Vec<Publish> = publish.iter().map(|text| text.parse().unwrap()).collect();
    let claims = Claims::take(&declared(&ports, false), HOST.parse().unwrap(), &publish).unwrap();
    assert_eq!(claims.addresses()[1].address.port(), number);
    assert_ne!(claims.addresses()[0].address.port(), number);
}

#[test]
fn invalid_publish_options() {
    let ports = declared(&[("web", 8080, Protocol::Http), ("api", 8081, Protocol::Tcp)], true);
    let check = |ports: &Ports, publish: &[&str], expected: &str| {
        let error = Claims::take(ports, HOST.parse().unwrap(), &parsed(publish)).unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), error.kind()),
            (expected, FailureKind::InvalidSpec)
        );
    };
    let declares = "publishes no port of the job, which declares";
    let all = "`web` (8080), `api` (8081), `ssh` (2202)";
    check(&ports, &["wbe:0"], &format!("`wbe:0` {declares} {all}: did you mean `web`?"));
    check(&ports, &["web:0", "9:1"], &format!("`9:1` {declares} {all}"));
    check(&Ports::default(), &["web:1"], &format!("`web:1` {declares} none"));
    check(&ports, &["web:0", "8080:1"], "port `web` is published twice: leave one of them out");
    for publish in [&["web:9", "api:9"][..], &["web:8081"]] {
        let number = if publish.len() == 2 { 9 } else { 8081 };
        let expected = format!(
            "ports `web` and `api` would both have the number {number}: choose another one, for instance \
             any that is free (`--publish api:0`)"
        );
        check(&ports, publish, &expected);
    }
}

#[test]
fn only_tcp_is_relayed() {
    let host = HOST.parse().unwrap();
    let ports = declared(&[("web", 8080, Protocol::Http), ("m", 9090, Protocol::Udp)], false);
    let error = Claims::take_for_relay(&ports, host, &all_free(&ports)).unwrap_err();
    assert!(error.to_string().starts_with("port `m` is of UDP, and a container without a network"));
    let ports = declared(&[("web", 8080, Protocol::Http)], true);
    let mut claims = Claims::take_for_relay(&ports, host, &all_free(&ports)).unwrap();
    let listeners = claims.take_listeners().unwrap();
    assert_eq!(listeners.len(), 1);
    assert_eq!(listeners[0].1, claims.job_ports()[0]);
    TcpStream::connect(listeners[0].1.address).unwrap();
    assert_eq!(claims.take_listeners().unwrap().len(), 0);
    assert!(claims.take_ssh().is_some());
}

#[test]
fn environment() {
    let at = |name, number, protocol, real: u16| PortAddress {
        port: Port::for_image(name, number, protocol).unwrap(),
        address: SocketAddr::new(HOST.parse().unwrap(), real),
    };
    let ports = [
        at("web", 8080, Protocol::Http, 18_080),
        at("raw", 9000, Protocol::Tcp, 9000),
        at("metrics", 53, Protocol::Udp, 1053),
    ];
    let variables: Vec<String> =
        variables(&ports).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        variables,
        ["CHUTES_PORT_TCP_8080=18080", "CHUTES_PORT_TCP_9000=9000", "CHUTES_PORT_UDP_53=1053"]
    );
}

prop_compose! {
    fn a_port()(name in "[a-c]", number in 1u16..6, udp: bool) -> Port {
        let protocol = if udp { Protocol::Udp } else { Protocol::Http };
        Port::for_image(name, number.into(), protocol).unwrap()
    }
}

proptest! {
    #[test]
    fn any_combination_is_claimed_or_refused(
        ports in proptest::collection::vec(a_port(), 0..5),
        ssh: bool,
        publish in proptest::collection::vec("([a-c]|ssh|[1-6]|2202):[0-6]", 0..5),
    ) {
        // Inconsistent lists are no declarations.
        let Ok(ports) = Ports::new(ports, ssh) else { return Ok(()) };
        let publish: Vec<Publish> = publish.iter().map(|text| text.parse().unwrap()).collect();
        if let Ok(numbers) = numbers(&ports, &publish) {
            prop_assert!(numbers.iter().map(|(port, _)| *port).eq(ports.iter()));
            let fixed: Vec<u16> = numbers.iter().map(|it| it.1).filter(|it| *it != 0).collect();
            prop_assert_eq!(fixed.iter().collect::<HashSet<_>>().len(), fixed.len());
            for one in &publish {
                prop_assert!(numbers.iter().any(|(port, to)| one.is_for(port) && one.to == *to));
            }
        }
        let all = Claims::take(&ports, HOST.parse().unwrap(), &all_free(&ports)).unwrap();
        prop_assert_eq!(all.addresses().len(), ports.iter().count());
        prop_assert_eq!(all.job_ports().len(), ports.iter().count() - usize::from(ssh));
    }
}
