mod opened;

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chutes_core::{Port, Ports, Protocol, ReadinessPath};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::Claims;
use crate::testing::exclusive;

/// A process that is the only one to have the given sockets. It ends when this is dropped.
struct Job(Child);

impl Job {
    fn with(tcp: TcpListener, udp: UdpSocket) -> Self {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(OwnedFd::from(tcp)).stderr(OwnedFd::from(udp));
        Self(command.spawn().unwrap())
    }

    fn owner(&self) -> SocketOwner {
        let pid = Pid::from_child(&self.0);
        SocketOwner::Processes(Box::new(move || Ok(vec![pid])))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

fn port(name: &'static str, protocol: Protocol, address: SocketAddr) -> PortAddress {
    PortAddress { port: Port::for_image(name, 8080, protocol).unwrap(), address }
}

/// What is expected of a run that only this machine is to reach.
fn expected<'a>(ports: &'a [PortAddress], undisclosed: &'a [u16]) -> Expected<'a> {
    Expected { ports, undisclosed, everywhere: false }
}

fn local() -> (TcpListener, UdpSocket) {
    (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap())
}

/// A UDP socket with a number outside of the range of ephemeral ports.
fn fixed_udp() -> UdpSocket {
    let free = |number| UdpSocket::bind(("127.0.0.1", number)).ok();
    (9_000..30_000).find_map(free).unwrap()
}

fn undeclared(verb: &str, number: u16) -> PortEvent {
    PortEvent::Warning(format!(
        "the job {verb} {number}, which it does not declare; add it to `ports`, so that it is known and can \
         be published"
    ))
}

#[tokio::test]
async fn open_ports_are_reported_once() {
    let _turn = exclusive().await;
    let (tcp, udp) = local();
    let (web, metrics) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let ports = [port("metrics", Protocol::Udp, metrics), port("web", Protocol::Http, web)];
    let mut tracker = SocketTracker::new(expected(&ports, &[]));
    // The ports are open, but not by the job.
    let no_process = SocketOwner::Processes(Box::new(|| Ok(Vec::new())));
    assert_eq!(tracker.scan(&no_process).unwrap(), []);
    let job = Job::with(tcp, udp);
    let mut events = tracker.scan(&job.owner()).unwrap();
    events.sort_by_key(|event| *event == PortEvent::Ready(1));
    assert_eq!(events, [PortEvent::Ready(0), PortEvent::Ready(1)]);
    tracker.set_settled(0);
    tracker.set_settled(1);
    assert_eq!((tracker.begin_probes(), tracker.scan(&job.owner()).unwrap()), (vec![], vec![]));
    drop(job);
    let restarted = Job::with(TcpListener::bind(web).unwrap(), UdpSocket::bind(metrics).unwrap());
    assert_eq!(tracker.scan(&restarted.owner()).unwrap(), []);
}

#[tokio::test]
async fn an_undeclared_port_has_one_warning() {
    let _turn = exclusive().await;
    let (tcp, ephemeral) = local();
    let number = tcp.local_addr().unwrap().port();
    let job = Job::with(tcp, ephemeral);
    let mut tracker = SocketTracker::new(expected(&[], &[]));
    assert_eq!(tracker.scan(&job.owner()).unwrap(), [undeclared("listens on port", number)]);
    assert_eq!(tracker.scan(&job.owner()).unwrap(), []);
    let (tcp, udp) = (TcpListener::bind("[::1]:0").unwrap(), fixed_udp());
    let (listening, bound) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    let other = Job::with(tcp, udp);
    let mut events = tracker.scan(&other.owner()).unwrap();
    events.sort_by_key(|event| format!("{event:?}").contains("UDP"));
    let udp = undeclared("has opened the UDP port", bound);
    assert_eq!(events, [undeclared("listens on port", listening), udp]);
}

/// The front of a run connects to such a port, and clients do not.
#[tokio::test]
async fn an_undisclosed_port_has_no_warning() {
    let _turn = exclusive().await;
    let (tcp, udp) = (TcpListener::bind("127.0.0.1:0").unwrap(), fixed_udp());
    let (number, bound) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    let job = Job::with(tcp, udp);
    // The numbers are those of TCP.
    let numbers = [number, bound];
    let mut tracker = SocketTracker::new(expected(&[], &numbers));
    let warning = undeclared("has opened the UDP port", bound);
    assert_eq!(tracker.scan(&job.owner()).unwrap(), [warning]);
}

/// A process in a network of its own that listens on port 8080.
fn in_own_network() -> (Child, i32) {
    let mut command = Command::new("unshare");
    let words = ["--net", "--", "busybox", "nc", "-l", "-p", "8080"];
    let child = command.args(words).stdin(Stdio::piped()).spawn().unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    (child, pid)
}

/// A process that may not go into the network of a container warns, and does not report the port as ready.
#[tokio::test]
async fn a_port_of_a_container_that_this_process_may_not_reach() {
    let (mut child, pid) = in_own_network();
    let web = port("web", Protocol::Http, "127.0.0.1:9".parse().unwrap());
    let (mut watch, mut events) = watch_own(vec![web]);
    watch.owner = SocketOwner::Namespace(watch::Sender::new(Some(pid)).subscribe());
    // It is refused like the network of another user.
    let own = watch::Sender::new(Some(rustix::process::getpid().as_raw_pid())).subscribe();
    watch.connector = Connector::Container(crate::ContainerConnector::new(own));
    let event = tokio::select! {
        never = forever(watch) => match never {},
        event = events.recv() => event.unwrap(),
    };
    let RunEvent::Warning { message } = &event else { panic!("{event:?}") };
    let begin = "port `web` cannot be reached by clients: ";
    assert!(message.starts_with(begin), "{message}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_port_at_a_wrong_address() {
    let _turn = exclusive().await;
    let check = |declared: &str, real: SocketAddr, warning: &str| {
        let (tcp, udp) = local();
        let at = tcp.local_addr().unwrap();
        let address = SocketAddr::new(real.ip(), if real.port() == 0 { at.port() } else { 9 });
        let number = if declared == "same" { at.port() } else { 8080 };
        let port = Port::for_image("web", number.into(), Protocol::Http).unwrap();
        let ports = [PortAddress { port, address }];
        let job = Job::with(tcp, udp);
        let mut tracker = SocketTracker::new(expected(&ports, &[]));
        let warning = warning.replace("NUMBER", &at.port().to_string());
        assert_eq!(tracker.scan(&job.owner()).unwrap(), [PortEvent::Warning(warning)]);
        assert_eq!(tracker.scan(&job.owner()).unwrap(), []);
    };
    check(
        "other",
        "0.0.0.0:0".parse().unwrap(),
        "the job listens at 127.0.0.1:NUMBER, but clients reach port `web` at 0.0.0.0:NUMBER: listen at that \
         address",
    );
    check(
        "same",
        "127.0.0.1:9".parse().unwrap(),
        "the job listens on port NUMBER, but in this run port `web` is at 127.0.0.1:9: take the number from \
         `JobContext::port`, or from the variable CHUTES_PORT_TCP_NUMBER",
    );
}

#[tokio::test]
async fn the_number_of_warnings_is_limited() {
    let _turn = exclusive().await;
    let jobs: Vec<Job> = (0..20).map(|_| local()).map(|(tcp, udp)| Job::with(tcp, udp)).collect();
    let pids: Vec<Pid> = jobs.iter().map(|job| Pid::from_child(&job.0)).collect();
    let owner = SocketOwner::Processes(Box::new(move || Ok(pids.clone())));
    let mut tracker = SocketTracker::new(expected(&[], &[]));
    let events = tracker.scan(&owner).unwrap();
    let last = PortEvent::Warning("the job opens more ports that it does not declare".to_owned());
    assert_eq!((events.len(), events.last()), (17, Some(&last)));
    assert_eq!(tracker.scan(&owner).unwrap(), []);
}

/// Another program may open a port before the job does.
#[tokio::test]
async fn sockets_of_other_programs_are_not_those_of_the_job() {
    let _turn = exclusive().await;
    let (tcp, udp) = local();
    let ports = [port("web", Protocol::Tcp, tcp.local_addr().unwrap())];
    let other_program = Job::with(tcp, udp);
    let mut tracker = SocketTracker::new(expected(&ports, &[]));
    let no_process = SocketOwner::Processes(Box::new(|| Ok(Vec::new())));
    assert_eq!(tracker.scan(&no_process).unwrap(), []);
    assert_eq!(
        tracker.scan(&other_program.owner()).unwrap(),
        [PortEvent::Ready(0)],
        "it is reported once the job has it"
    );
}

#[tokio::test]
async fn the_search_for_an_owner_ends() {
    let _turn = exclusive().await;
    let (tcp, udp) = local();
    let _other = Job::with(tcp, udp);
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let owner = SocketOwner::Processes(Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Vec::new())
    }));
    let mut tracker = SocketTracker::new(expected(&[], &[]));
    let first = tracker.scan(&owner).unwrap();
    assert_eq!((first, calls.load(Ordering::Relaxed)), (vec![], 1));
}

#[test]
fn containers_that_do_not_run() {
    let mut tracker = SocketTracker::new(expected(&[], &[]));
    let (sender, pid) = watch::channel(None);
    let owner = SocketOwner::Namespace(pid);
    assert_eq!(tracker.scan(&owner).unwrap(), []);
    // Sockets of this machine do not belong to a container.
    let _open = local();
    sender.send_replace(Some(rustix::process::getpid().as_raw_pid()));
    assert!(tracker.scan(&owner).unwrap_err().to_string().contains("no network of its own"));
}

#[test]
fn pauses() {
    let check = |seconds: f64, is_probing, expected| {
        let found = next_pause(Duration::from_secs_f64(seconds), is_probing);
        assert_eq!(found, Duration::from_millis(expected), "{seconds}");
    };
    check(0.0, false, 20);
    check(0.16, false, 20);
    check(1.6, false, 200);
    check(10.0, false, 1_000);
    check(59.9, false, 1_000);
    check(60.0, false, 5_000);
    check(60.0, true, 1_000);
    check(1e9, false, 5_000);
}

/// A watch of these ports of the process of the tests. Other tests may have ports open in it.
fn watch_own(ports: Vec<PortAddress>) -> (PortWatch, UnboundedReceiver<RunEvent>) {
    let (sender, events) = unbounded_channel();
    let own = rustix::process::getpid();
    let watch = PortWatch {
        ports,
        undisclosed: Vec::new(),
        everywhere: false,
        owner: SocketOwner::Processes(Box::new(move || Ok(vec![own]))),
        connector: Connector::Here,
        events: EventReporter::new(move |event| drop(sender.send(event))),
    };
    (watch, events)
}

/// Runs a watch of a job that never ends.
async fn forever(watch: PortWatch) -> Infallible {
    let stage = watch::Sender::new(WatchStage::Begun);
    let unopened = watch.run(stage.subscribe()).await;
    panic!("it has ended with {unopened:?}");
}

/// Waits until the first port is ready.
async fn ready(events: &mut UnboundedReceiver<RunEvent>) -> (String, SocketAddr) {
    loop {
        if let RunEvent::PortReady { name, address } = events.recv().await.unwrap() {
            return (name.to_string(), address);
        }
    }
}

#[tokio::test]
async fn a_port_is_ready_when_it_answers_200() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let server = tokio::spawn(async move {
        for answer in ["", "SSH-2.0-x\r\n", "HTTP/1.1 503 x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                stream.read_buf(&mut request).await.unwrap();
            }
            assert!(request.starts_with(b"GET /health HTTP/1.1\r\n"));
            count.fetch_add(1, Ordering::SeqCst);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        listener
    });
    let web = port("web", Protocol::Http, address);
    let web =
        PortAddress { port: web.port.ready_at(ReadinessPath::new("/health").unwrap()), ..web };
    let (watch, mut events) = watch_own(vec![web]);
    tokio::select! {
        never = forever(watch) => match never {},
        found = ready(&mut events) => assert_eq!(found, ("web".to_owned(), address)),
    }
    assert_eq!(calls.load(Ordering::SeqCst), 4);
    drop(server.await.unwrap());
}

#[tokio::test]
async fn a_port_without_a_path_is_not_connected_to() {
    // A readiness path applies to HTTP only.
    let raw = Port::new("raw", 8080, Protocol::Tcp).unwrap();
    let ports = Ports::new(vec![raw.ready_at(ReadinessPath::new("/x").unwrap())], false).unwrap();
    let any_free = ["raw:0".parse().unwrap()];
    let mut claims = Claims::take(&ports, [127, 0, 0, 1].into(), &any_free).unwrap();
    let address = claims.addresses()[0].address;
    let (watch, mut events) = watch_own(claims.job_ports());
    // The future is `Send`, so that it can be spawned.
    let mut running: std::pin::Pin<Box<dyn Future<Output = Infallible> + Send>> =
        Box::pin(forever(watch));
    assert!(futures_util::poll!(&mut running).is_pending());
    let (listener, _) = claims.take_listeners().unwrap().remove(0);
    tokio::select! {
        never = &mut running => match never {},
        found = ready(&mut events) => assert_eq!(found, ("raw".to_owned(), address)),
    }
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(running);
    let later: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let number = address.port().to_string();
    let is_about_it =
        |it: &RunEvent| matches!(it, RunEvent::Warning { message } if message.contains(&number));
    assert!(!later.iter().any(is_about_it), "{later:?}");
}
