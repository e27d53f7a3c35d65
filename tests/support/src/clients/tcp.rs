//! Plain connections: bytes, datagrams, and one request over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

/// A connection that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(50);

/// A connection whose reads end with an error after a deadline.
#[track_caller]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, DEADLINE).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// One request over HTTP without encryption. Returns the status and the body.
#[track_caller]
pub fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = connect(address);
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Checks that what goes out over TCP comes back.
#[track_caller]
pub fn check_echo(address: SocketAddr) {
    let mut stream = connect(address);
    stream.write_all(b"over there").unwrap();
    let mut back = [0; 10];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"over there");
}

/// Checks that a datagram comes back.
#[track_caller]
pub fn check_beacon(address: SocketAddr) {
    let socket = UdpSocket::bind((address.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.send_to(b"who is there", address).unwrap();
    let mut back = [0; 100];
    assert_eq!(socket.recv_from(&mut back).unwrap(), (12, address));
    assert_eq!(&back[..12], b"who is there");
}

/// The number of a port that is free at this address.
pub fn free_number(host: &str) -> u16 {
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap().port()
}

/// Checks that these ports are free, for TCP and for UDP.
#[track_caller]
pub fn check_free(addresses: &[SocketAddr]) {
    for address in addresses {
        let refused = TcpStream::connect_timeout(address, DEADLINE).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{address}");
        drop(TcpListener::bind(address).unwrap());
        drop(UdpSocket::bind(address).unwrap());
    }
}
