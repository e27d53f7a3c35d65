//! The server with three clients: that of OpenSSH, one that sends single packets, and one that sends
//! arbitrary bytes.

mod client;
mod hostile;
mod mounts;
mod openssh;
mod requests;

use std::os::unix::net::UnixStream;
use std::thread::{JoinHandle, spawn};

use tempfile::TempDir;

use self::client::Client;
use super::mounts::{Mount, Mounts};
use super::tree::Tree;
use super::*;

/// A server on a thread of its own. It ends when the client closes its connection.
struct Server {
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(tree: Tree) -> (Self, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let input = theirs.try_clone().unwrap();
        let thread = spawn(move || serve(input, theirs, tree).unwrap());
        (Self { thread: Some(thread) }, ours)
    }

    fn ended(mut self) {
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A client of a server for all files, and a temporary folder.
fn on_machine() -> (TempDir, Client) {
    (TempDir::new().unwrap(), Client::new(Tree::Machine))
}

/// A tree with `/volume`, which is read-only, `/output` and `/deep/er/place`. Each has a file `file` that
/// contains the last name of its path.
fn with_mounts() -> (TempDir, Tree) {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("secret"), "secret").unwrap();
    let mounts = ["/volume", "/output", "/deep/er/place"].map(|at| {
        let name = at.rsplit('/').next().unwrap();
        let host = folder.path().join(name);
        std::fs::create_dir(&host).unwrap();
        std::fs::write(host.join("file"), name).unwrap();
        let mode = if at == "/volume" { "ro" } else { "rw" };
        Mount::open(format!("{at}={}:{mode}", host.display()).as_ref()).unwrap()
    });
    (folder, Tree::Mounts(Mounts::new(mounts.into())))
}
