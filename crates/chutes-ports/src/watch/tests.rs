use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use chutes_core::{Port, Ports, Protocol, ReadinessPath};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::Claims;
use crate::testing::alone;

/// A process that has the sockets that it is given, and nobody else has them. It ends with this.
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

fn local() -> (TcpListener, UdpSocket) {
    (TcpListener::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap())
}

/// A UDP socket with a number that the kernel gives to nobody who does not ask for it.
fn fixed_udp() -> UdpSocket {
    let free = |number| UdpSocket::bind(("127.0.0.1", number)).ok();
    (9_000..30_000).find_map(free).unwrap()
}

fn undeclared(does: &str, number: u16) -> News {
    News::Warning(format!(
        "the job {does} {number}, which it does not declare; add it to `ports`, so that it is known and can \
         be published"
    ))
}

#[tokio::test]
async fn open_ports_are_told_once() {
    let _turn = alone().await;
    let (tcp, udp) = local();
    let (web, metrics) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    let ports = [port("metrics", Protocol::Udp, metrics), port("web", Protocol::Http, web)];
    let mut seen = Seen::new(&ports);
    // They are open, but not by the job.
    let nobody = SocketOwner::Processes(Box::new(|| Ok(Vec::new())));
    assert_eq!(seen.look(&nobody).unwrap(), []);
    let job = Job::with(tcp, udp);
    let mut news = seen.look(&job.owner()).unwrap();
    news.sort_by_key(|news| *news == News::Open(1));
    assert_eq!(news, [News::Open(0), News::Open(1)]);
    seen.was_ready(0);
    seen.was_ready(1);
    assert_eq!((seen.begin_to_ask(), seen.look(&job.owner()).unwrap()), (vec![], vec![]));
    drop(job);
    let again = Job::with(TcpListener::bind(web).unwrap(), UdpSocket::bind(metrics).unwrap());
    assert_eq!(seen.look(&again.owner()).unwrap(), []);
}

#[tokio::test]
async fn what_was_not_declared_is_warned_of_once() {
    let _turn = alone().await;
    let (tcp, ephemeral) = local();
    let number = tcp.local_addr().unwrap().port();
    let job = Job::with(tcp, ephemeral);
    let mut seen = Seen::new(&[]);
    assert_eq!(seen.look(&job.owner()).unwrap(), [undeclared("listens on port", number)]);
    assert_eq!(seen.look(&job.owner()).unwrap(), []);
    let (tcp, udp) = (TcpListener::bind("[::1]:0").unwrap(), fixed_udp());
    let (listening, bound) = (tcp.local_addr().unwrap().port(), udp.local_addr().unwrap().port());
    let other = Job::with(tcp, udp);
    let mut news = seen.look(&other.owner()).unwrap();
    news.sort_by_key(|news| format!("{news:?}").contains("UDP"));
    let udp = undeclared("has opened the UDP port", bound);
    assert_eq!(news, [undeclared("listens on port", listening), udp]);
}

#[tokio::test]
async fn a_port_at_a_wrong_place() {
    let _turn = alone().await;
    let check = |declared: &str, real: SocketAddr, expected: &str| {
        let (tcp, udp) = local();
        let at = tcp.local_addr().unwrap();
        let address = SocketAddr::new(real.ip(), if real.port() == 0 { at.port() } else { 9 });
        let number = if declared == "same" { at.port() } else { 8080 };
        let port = Port::for_image("web", number.into(), Protocol::Http).unwrap();
        let ports = [PortAddress { port, address }];
        let job = Job::with(tcp, udp);
        let mut seen = Seen::new(&ports);
        let expected = expected.replace("NUMBER", &at.port().to_string());
        assert_eq!(seen.look(&job.owner()).unwrap(), [News::Warning(expected)]);
        assert_eq!(seen.look(&job.owner()).unwrap(), []);
    };
    check(
        "other",
        "0.0.0.0:0".parse().unwrap(),
        "the job listens at 127.0.0.1:NUMBER, and nobody reaches port `web` there, which is at \
         0.0.0.0:NUMBER: listen at that address",
    );
    check(
        "same",
        "127.0.0.1:9".parse().unwrap(),
        "the job listens on port NUMBER, but in this run port `web` is at 127.0.0.1:9: take the number from \
         `JobContext::port`, or from the variable CHUTES_PORT_TCP_NUMBER",
    );
}

#[tokio::test]
async fn warnings_come_to_an_end() {
    let _turn = alone().await;
    let jobs: Vec<Job> = (0..20).map(|_| local()).map(|(tcp, udp)| Job::with(tcp, udp)).collect();
    let pids: Vec<Pid> = jobs.iter().map(|job| Pid::from_child(&job.0)).collect();
    let owner = SocketOwner::Processes(Box::new(move || Ok(pids.clone())));
    let mut seen = Seen::new(&[]);
    let news = seen.look(&owner).unwrap();
    let last = News::Warning("the job opens more ports that it does not declare".to_owned());
    assert_eq!((news.len(), news.last()), (17, Some(&last)));
    assert_eq!(seen.look(&owner).unwrap(), []);
}

/// Somebody else may be faster than the job.
#[tokio::test]
async fn a_stranger_is_not_taken_for_the_job() {
    let _turn = alone().await;
    let (tcp, udp) = local();
    let ports = [port("web", Protocol::Tcp, tcp.local_addr().unwrap())];
    let stranger = Job::with(tcp, udp);
    let mut seen = Seen::new(&ports);
    let nobody = SocketOwner::Processes(Box::new(|| Ok(Vec::new())));
    assert_eq!(seen.look(&nobody).unwrap(), []);
    assert_eq!(seen.look(&stranger.owner()).unwrap(), [News::Open(0)], "it is told of the job");
}

#[tokio::test]
async fn strangers_are_not_looked_for_without_end() {
    let _turn = alone().await;
    let (tcp, udp) = local();
    let _other = Job::with(tcp, udp);
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let owner = SocketOwner::Processes(Box::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Vec::new())
    }));
    let mut seen = Seen::new(&[]);
    let first = seen.look(&owner).unwrap();
    assert_eq!((first, asked.load(Ordering::Relaxed)), (vec![], 1));
}

#[test]
fn containers_that_there_are_not() {
    let mut seen = Seen::new(&[]);
    let (sender, pid) = watch::channel(None);
    let owner = SocketOwner::Namespace(pid);
    assert_eq!(seen.look(&owner).unwrap(), []);
    // What is open on this machine is nothing of a container's.
    let _open = local();
    sender.send_replace(Some(rustix::process::getpid().as_raw_pid()));
    assert!(seen.look(&owner).unwrap_err().to_string().contains("no network of its own"));
}

#[test]
fn pauses() {
    let check = |seconds: f64, is_about_to_be_ready, expected| {
        let found = pause(Duration::from_secs_f64(seconds), is_about_to_be_ready);
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

/// A watch of these ports of the test's own process. Other tests may have ports open in it.
fn watch_own(ports: Vec<PortAddress>) -> (PortWatch, UnboundedReceiver<RunEvent>) {
    let (sender, events) = unbounded_channel();
    let own = rustix::process::getpid();
    let watch = PortWatch {
        ports,
        owner: SocketOwner::Processes(Box::new(move || Ok(vec![own]))),
        connector: Connector::Here,
        events: EventReporter::new(move |event| drop(sender.send(event))),
        warnings: Arc::default(),
    };
    (watch, events)
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
async fn ready_is_what_answers_200() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
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
        never = watch.run() => match never {},
        found = ready(&mut events) => assert_eq!(found, ("web".to_owned(), address)),
    }
    assert_eq!(asked.load(Ordering::SeqCst), 4);
    drop(server.await.unwrap());
}

#[tokio::test]
async fn who_has_no_path_is_not_connected_to() {
    // A path means something for HTTP only.
    let raw = Port::new("raw", 8080, Protocol::Tcp).unwrap();
    let ports = Ports::new(vec![raw.ready_at(ReadinessPath::new("/x").unwrap())], false).unwrap();
    let any_free = ["raw:0".parse().unwrap()];
    let mut claims = Claims::take(&ports, [127, 0, 0, 1].into(), &any_free).unwrap();
    let address = claims.addresses()[0].address;
    let (watch, mut events) = watch_own(claims.job_ports());
    let warnings = Arc::clone(&watch.warnings);
    // It can be spawned.
    let mut running: std::pin::Pin<Box<dyn Future<Output = Infallible> + Send>> =
        Box::pin(watch.run());
    assert!(futures_util::poll!(&mut running).is_pending());
    let (listener, _) = claims.take_listeners().unwrap().remove(0);
    tokio::select! {
        never = &mut running => match never {},
        found = ready(&mut events) => assert_eq!(found, ("raw".to_owned(), address)),
    }
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let told = warnings.lock().unwrap();
    assert!(!told.iter().any(|it| it.contains(&address.port().to_string())), "{told:?}");
}
