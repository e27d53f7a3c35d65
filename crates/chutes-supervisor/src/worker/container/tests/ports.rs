//! Ports of containers: published by the engine, or relayed into a container without a network.

use chutes_core::{Port, PortAddress, Ports, Protocol, Publish, ReadinessPath};
use chutes_ports::{
    Claims, Connector, ContainerConnector, PortWatch, Relay, SocketOwner, WatchStage, get_status,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

use super::*;

/// A command that serves the output files by HTTP.
const SERVE: &str = "echo hello >/output/x; echo ready; exec busybox httpd -f -p 80 -h /output";

/// Privileged ports of the image, each published at a free number.
fn claims(relayed: bool) -> Claims {
    let web = Port::for_image("web", 80, Protocol::Http).unwrap();
    let mut ports = vec![web.ready_at(ReadinessPath::new("/x").unwrap())];
    if !relayed {
        ports.push(Port::for_image("udp", 53, Protocol::Udp).unwrap());
    }
    let publish: Vec<Publish> =
        ports.iter().map(|port| format!("{}:0", port.name()).parse().unwrap()).collect();
    let (ports, host) = (Ports::new(ports, false).unwrap(), [127, 0, 0, 1].into());
    if relayed {
        Claims::take_for_relay(&ports, host, &publish).unwrap()
    } else {
        Claims::take(&ports, host, &publish).unwrap()
    }
}

/// Waits until the server in the container has answered and the event has been emitted.
async fn ready(worker: &ContainerWorker, ports: Vec<PortAddress>, connector: Connector) {
    let (sender, mut events) = unbounded_channel();
    let expected = ports[0].address;
    let watch = PortWatch {
        ports,
        undisclosed: Vec::new(),
        everywhere: false,
        owner: SocketOwner::Namespace(worker.pid()),
        connector,
        events: EventReporter::new(move |event| drop(sender.send(event))),
    };
    let reported = async {
        loop {
            match events.recv().await.unwrap() {
                RunEvent::PortReady { name, address } if name.as_str() == "web" => {
                    return assert_eq!(address, expected);
                }
                RunEvent::Warning { message } => panic!("{message}"),
                _ => {}
            }
        }
    };
    let stage = watch::Sender::new(WatchStage::Begun);
    tokio::select! {
        _ = watch.run(stage.subscribe()) => panic!("it ends only with the job"),
        () = reported => {}
    }
}

async fn fetch(address: std::net::SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /x HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn relayed_into_a_container_without_a_network() {
    let mut claims = claims(true);
    let ports = claims.job_ports();
    let of_setup = ports.clone();
    let mut case = Case::with(SERVE, |setup| setup.ports = of_setup).await;
    let pid = case.worker.pid();
    let connector = Connector::Container(ContainerConnector::new(pid.clone()));
    let relay = Relay::start(claims.take_listeners().unwrap(), &connector).unwrap();
    let error = get_status(&connector, &ports[0], "/x").await.unwrap_err();
    assert!(error.to_string().contains("has not been started yet"), "{error}");
    case.begin_job().await;
    case.printed("ready").await;
    ready(&case.worker, ports.clone(), connector.clone()).await;
    assert_eq!(get_status(&connector, &ports[0], "/missing").await.unwrap(), 404);
    let answer = fetch(ports[0].address).await;
    assert!(answer.ends_with("\r\n\r\nhello\n"), "{answer}");
    // A listener of this machine cannot be reached through the container.
    let here = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let number = here.local_addr().unwrap().port();
    let error = connector.connect_local(number).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(case.worker.force(false).await, Force::Killed);
    case.finish(StepExit::Finished(Ok(Json::null()))).await;
    assert_eq!(*pid.borrow(), None);
    relay.stop().await;
}

#[tokio::test]
async fn published_by_the_engine() {
    let mut claims = claims(false);
    let ports = claims.job_ports();
    let of_setup = ports.clone();
    let mut case = Case::with(SERVE, |setup| {
        setup.ports = of_setup;
        setup.network = true;
    })
    .await;
    let connector = ContainerConnector::new(case.worker.pid()).with_published_ports();
    let connector = Connector::Container(connector);
    claims.release();
    case.begin_job().await;
    case.printed("ready").await;
    ready(&case.worker, ports.clone(), connector).await;
    let answer = fetch(ports[0].address).await;
    assert!(answer.ends_with("\r\n\r\nhello\n"), "{answer}");
    // The engine has bound the UDP port, too.
    let error = UdpSocket::bind(ports[1].address).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    assert_eq!(case.worker.force(false).await, Force::Killed);
    case.finish(StepExit::Finished(Ok(Json::null()))).await;
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile() {
    let mut claims = claims(false);
    let ports = claims.job_ports();
    claims.release();
    let _other = TcpListener::bind(ports[0].address).await.unwrap();
    let address = ports[0].address;
    let mut case = Case::with("echo I run", |setup| {
        setup.ports = ports;
        setup.network = true;
    })
    .await;
    let end = case.step(Step::Job { time_left: None }).await;
    let left = case.finish(end).await;
    let StepExit::Finished(Err(failure)) = &left.end else { panic!("{:?}", left.end) };
    assert_eq!(failure.kind, FailureKind::PortUnavailable, "{failure:?}");
    let begin = format!("port `web` cannot be opened at {address}; choose another number");
    assert!(failure.message.starts_with(&begin), "{}", failure.message);
    assert_eq!(left.stdout(), "");
}
