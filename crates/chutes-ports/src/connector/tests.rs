use std::net::TcpListener;

use chutes_core::Port;

use super::*;

fn port(protocol: Protocol, address: SocketAddr) -> PortAddress {
    PortAddress { port: Port::new("web", 8080, protocol).unwrap(), address }
}

/// A listener and its address.
fn listener(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn here() {
    for bound in ["127.0.0.1:0", "127.0.0.2:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
        let (_listener, address) = listener(bound);
        let stream = Connector::Here.connect(&port(Protocol::Http, address)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), address.port());
    }
}

#[tokio::test]
async fn the_loopback_interface() {
    for bound in ["127.0.0.1:0", "[::1]:0"] {
        let (_listener, address) = listener(bound);
        let stream = Connector::Here.connect_local(address.port()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
    }
    let (closed, address) = listener("127.0.0.1:0");
    drop(closed);
    let error = Connector::Here.connect_local(address.port()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn udp_ports_cannot_be_connected_to() {
    let port = port(Protocol::Udp, "127.0.0.1:9".parse().unwrap());
    let error = Connector::Here.connect(&port).await.unwrap_err();
    assert_eq!(error.to_string(), "port `web` is of UDP, which knows no connections");
}

mod container {
    use tokio::sync::watch;

    use super::*;

    async fn connect_error(pid: Option<i32>) -> io::Error {
        let (_sender, receiver) = watch::channel(pid);
        ContainerConnector::new(receiver).connect_local(9).await.unwrap_err()
    }

    #[tokio::test]
    async fn without_a_container() {
        let error = connect_error(None).await;
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        assert!(error.to_string().contains("does not run"), "{error}");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(connect_error(Some(pid)).await.to_string(), "the container has ended");
    }

    /// A pid that no longer belongs to a container is refused, so that no connection to this machine is
    /// made.
    #[tokio::test]
    async fn this_machine_is_no_container() {
        let (_listener, address) = listener("127.0.0.1:0");
        let (_sender, receiver) = watch::channel(Some(rustix::process::getpid().as_raw_pid()));
        let connector = ContainerConnector::new(receiver);
        let error = connector.connect_local(address.port()).await.unwrap_err();
        assert_eq!(error.to_string(), "the container has no network of its own");
        let error = connector.connect(&port(Protocol::Tcp, address)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let published = Connector::Container(connector.with_published_ports());
        published.connect(&port(Protocol::Tcp, address)).await.unwrap();
        assert!(published.connect_local(address.port()).await.is_err());
    }
}
