//! What these servers share: a listener, the thread that accepts, and the connections.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A server that listens until this is dropped.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) address: SocketAddr,
    connections: Arc<Connections>,
    accepting: Option<JoinHandle<()>>,
}

/// The connections that a server has accepted.
#[derive(Debug, Default)]
pub(super) struct Connections {
    all: Mutex<Vec<TcpStream>>,
    is_closed: AtomicBool,
}

impl Listening {
    /// Listens at this address, and serves each connection on a thread of its own.
    pub(super) fn start(
        at: SocketAddr,
        serve: impl Fn(TcpStream, &Connections) + Clone + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Connections::default());
        let accepting = thread::spawn({
            let connections = Arc::clone(&connections);
            move || accept(&listener, &connections, &serve)
        });
        Self { address, connections, accepting: Some(accepting) }
    }
}

impl Connections {
    /// Drops the handle of the connection to this address. The thread that serves it has the only one then.
    pub(super) fn forget(&self, address: SocketAddr) {
        let mut all = self.all.lock().unwrap();
        all.retain(|other| other.peer_addr().is_ok_and(|other| other != address));
    }
}

fn accept(
    listener: &TcpListener,
    connections: &Arc<Connections>,
    serve: &(impl Fn(TcpStream, &Connections) + Clone + Send + 'static),
) {
    for stream in listener.incoming() {
        if connections.is_closed.load(Ordering::SeqCst) {
            return;
        }
        let stream = stream.unwrap();
        connections.all.lock().unwrap().push(stream.try_clone().unwrap());
        let (serve, connections) = (serve.clone(), Arc::clone(connections));
        thread::spawn(move || serve(stream, &connections));
    }
}

/// Later connections are refused, and present ones are cut off.
impl Drop for Listening {
    fn drop(&mut self) {
        self.connections.is_closed.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        drop(TcpStream::connect(self.address));
        self.accepting.take().map(JoinHandle::join);
        for connection in self.connections.all.lock().unwrap().drain(..) {
            // It may have ended before.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}
