//! Ports that were never opened, and ports that are open at more addresses than was asked for.

use std::net::TcpStream;

use super::*;

/// A tracker of a job that has begun.
fn begun(ports: &[PortAddress]) -> SocketTracker<'_> {
    let mut tracker = SocketTracker::new(expected(ports, &[]));
    tracker.user_code_begins();
    tracker
}

fn no_process() -> SocketOwner {
    SocketOwner::Processes(Box::new(|| Ok(Vec::new())))
}

#[tokio::test]
async fn a_port_that_was_never_open() {
    let _turn = exclusive().await;
    let (tcp, udp) = local();
    let (web, beacon) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let ports = [
        port("web", Protocol::Http, web),
        port("beacon", Protocol::Udp, beacon),
        port("metrics", Protocol::Tcp, "127.0.0.1:9".parse().unwrap()),
    ];
    let mut tracker = SocketTracker::new(expected(&ports, &[]));
    tracker.look(&no_process());
    assert_eq!(tracker.never_noticed(), [0; 0], "a look before the job says nothing of it");
    tracker.user_code_begins();
    // The process of these sockets is hidden: perhaps it is one of the job.
    tracker.look(&no_process());
    assert_eq!(tracker.never_noticed(), [2]);
    drop((tcp, udp));
    tracker.look(&no_process());
    assert_eq!(tracker.never_noticed(), [2], "they were open once");
}

#[tokio::test]
async fn sockets_that_hold_a_port_for_the_job_do_not_count() {
    let _turn = exclusive().await;
    let ports = Ports::new(vec![Port::new("beacon", 9100, Protocol::Udp).unwrap()], false).unwrap();
    let mut claims =
        Claims::take(&ports, [127, 0, 0, 1].into(), &["beacon:0".parse().unwrap()]).unwrap();
    let ports = claims.job_ports();
    let mut tracker = SocketTracker::new(expected(&ports, &[]));
    tracker.look(&no_process());
    claims.release();
    tracker.user_code_begins();
    tracker.look(&no_process());
    assert_eq!(tracker.never_noticed(), [0]);
}

/// What remains of a listener that was closed, and a UDP socket with one peer.
#[tokio::test]
async fn connected_sockets_show_that_a_port_was_open() {
    let _turn = exclusive().await;
    let (tcp, udp) = local();
    let ports = [
        port("web", Protocol::Tcp, tcp.local_addr().unwrap()),
        port("beacon", Protocol::Udp, udp.local_addr().unwrap()),
    ];
    let _client = TcpStream::connect(ports[0].address).unwrap();
    let _connection = tcp.accept().unwrap();
    drop(tcp);
    udp.connect("127.0.0.1:9").unwrap();
    let mut tracker = begun(&ports);
    assert_eq!(tracker.look(&no_process()), []);
    assert_eq!(tracker.never_noticed(), [0; 0]);
}

/// There is a warning about the other address already.
#[tokio::test]
async fn a_port_that_was_opened_elsewhere() {
    let _turn = exclusive().await;
    let (tcp, udp) = local();
    let number = tcp.local_addr().unwrap().port();
    let ports = [
        port("web", Protocol::Tcp, SocketAddr::from(([127, 0, 0, 2], number))),
        PortAddress {
            port: Port::for_image("other", number.into(), Protocol::Tcp).unwrap(),
            address: "127.0.0.1:9".parse().unwrap(),
        },
    ];
    let job = Job::with(tcp, udp);
    for ports in ports.chunks(1) {
        let mut tracker = begun(ports);
        assert_eq!(tracker.look(&job.owner()).len(), 1);
        assert_eq!(tracker.never_noticed(), [0; 0], "{ports:?}");
    }
}

#[test]
fn sockets_that_cannot_be_read_say_nothing() {
    let ports = [port("web", Protocol::Tcp, "127.0.0.1:9".parse().unwrap())];
    let refused = SocketOwner::Processes(Box::new(|| Err(io::ErrorKind::PermissionDenied.into())));
    let mut tracker = begun(&ports);
    // The processes are only asked for where there is a new socket.
    let _open = local();
    assert_eq!(tracker.look(&refused), []);
    tracker.look(&no_process());
    assert_eq!(tracker.never_noticed(), [0; 0]);

    let mut tracker = begun(&ports);
    let (sender, pid) = watch::channel(None);
    let container = SocketOwner::Namespace(pid);
    tracker.look(&container);
    assert_eq!(tracker.never_noticed(), [0; 0], "it does not run");
    // The largest number is never that of a process.
    sender.send_replace(Some(i32::MAX));
    tracker.look(&container);
    assert_eq!(tracker.never_noticed(), [0; 0], "it is gone");
    tracker.look(&no_process());
    assert_eq!(tracker.never_noticed(), [0], "no look has failed");
}

#[tokio::test]
async fn the_last_look_is_made_after_the_end() {
    let _turn = exclusive().await;
    let (tcp, _) = local();
    let web = port("web", Protocol::Tcp, tcp.local_addr().unwrap());
    let other = port("other", Protocol::Tcp, "127.0.0.1:9".parse().unwrap());
    let (watch, _events) = watch_own(vec![web, other]);
    let stage = watch::Sender::new(WatchStage::Ended);
    assert_eq!(watch.run(stage.subscribe()).await, [1]);
}

#[tokio::test]
async fn every_address_where_one_was_asked_for() {
    let _turn = exclusive().await;
    let check = |bound: &str, is_declared: bool, everywhere: bool, warned: &[&str]| {
        let tcp = TcpListener::bind((bound, 0)).unwrap();
        let number = tcp.local_addr().unwrap().port();
        let web = port("web", Protocol::Tcp, SocketAddr::from(([127, 0, 0, 1], number)));
        let ports = if is_declared { vec![web] } else { Vec::new() };
        let job = Job::with(tcp, local().1);
        let expected = Expected { ports: &ports, undisclosed: &[], everywhere };
        let mut tracker = SocketTracker::new(expected);
        let mut events = tracker.look(&job.owner());
        events.retain(|event| *event != PortEvent::Ready(0));
        let warnings: Vec<_> = warned
            .iter()
            .map(|text| PortEvent::Warning(text.replace("NUMBER", &number.to_string())))
            .collect();
        assert_eq!(events, warnings, "{bound} {is_declared} {everywhere}");
        assert_eq!(tracker.look(&job.owner()), [], "there is one warning");
    };
    let declared = "the job listens on port NUMBER at every address of this machine, so other machines can \
                    connect to it, but in this run port `web` is at 127.0.0.1:NUMBER: open it at that address \
                    only, or start the run with `--host 0.0.0.0`";
    check("0.0.0.0", true, false, &[declared]);
    check("::", true, false, &[&declared.replace("0.0.0.0", "::")]);
    check("0.0.0.0", true, true, &[]);
    check("127.0.0.1", true, false, &[]);
    let undeclared = "the job listens on port NUMBER, which it does not declare; add it to `ports`, so that it \
                      is known and can be published";
    let more = "; it is open at every address of this machine, so other machines can connect to it";
    check("0.0.0.0", false, false, &[&format!("{undeclared}{more}")]);
    check("0.0.0.0", false, true, &[undeclared]);
    check("127.0.0.1", false, false, &[undeclared]);
}
