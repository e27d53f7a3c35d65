//! The program under test, and connections to it.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An address of this machine for this test alone, also when tests run at the same time: the
/// ports are fixed, so the address is what differs.
pub(crate) fn own_address() -> Ipv4Addr {
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 77, high, low.clamp(1, 254))
}

pub(crate) fn start(host: Ipv4Addr, run_dir: &Path, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_web-server"))
        .args(["run", "web_server", "--json", "--host", &host.to_string(), "--run-dir"])
        .arg(run_dir)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn connect(host: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((host, port)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

pub(crate) fn wait_for_line(log: &mut BufReader<ChildStderr>, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        assert_ne!(log.read_line(&mut seen).unwrap(), 0, "no {text:?} in:\n{seen}");
    }
}
