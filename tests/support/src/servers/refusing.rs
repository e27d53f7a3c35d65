//! A server that refuses every request, and repeats the head of the request in its answer.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server until the process of the test ends.
#[derive(Debug)]
pub struct RefusingServer {
    /// Where it listens.
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RefusingServer {
    /// Starts the server.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        thread::spawn(move || {
            for socket in listener.incoming() {
                let seen = Arc::clone(&seen);
                thread::spawn(move || refuse(&socket.unwrap(), &seen));
            }
        });
        Self { address, requests }
    }

    /// The heads of all requests.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn refuse(socket: &TcpStream, seen: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(socket).lines().map_while(Result::ok);
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let head = head.join("\n");
    seen.lock().unwrap().push(head.clone());
    let length = head.len();
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{head}"
    );
    // A client may have gone away.
    let _ = (&*socket).write_all(answer.as_bytes());
    let _ = socket.shutdown(std::net::Shutdown::Write);
    lines.for_each(drop);
}
