//! Connections through a session: to the ports of the job, and to nothing else.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

use chutes::event::RunEvent;
use chutes_test_support::clients::ssh::SshRun;
use chutes_test_support::clients::tcp::free_number;
use chutes_test_support::{Running, own_address, start, wait_until};

use super::ssh::{serve, serve_job};

/// What comes back from a port for these bytes.
fn exchange(port: u16, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((&*own_address(), port))?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// `ssh -L` from this port of the test to there.
fn forward(served: &SshRun, from: u16, to: &str) -> Running {
    let forward = format!("{}:{from}:{to}", own_address());
    let words = ["-N", "-o", "ExitOnForwardFailure=yes", "-L", &forward, "run"];
    let client = start(served.program("ssh", &words));
    wait_until("it listens", || TcpStream::connect((&*own_address(), from)).is_ok());
    client
}

#[test]
fn to_the_ports_of_the_run() {
    let served = serve();
    let echo = served.wait_for_event(|event| match event {
        RunEvent::PortReady { name, address } if name.as_str() == "echo" => Some(address),
        _ => None,
    });
    let content: Vec<u8> = (0..500_000_u32).flat_map(u32::to_le_bytes).collect();
    let from = free_number(&own_address());
    let _client = forward(&served, from, &echo.to_string());
    assert!(exchange(from, &content).unwrap() == content);
    // A local service of this machine.
    let local = TcpListener::bind("127.0.0.1:0").unwrap();
    let number = local.local_addr().unwrap().port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = local.accept() {
            let _ = stream.write_all(b"from loopback");
        }
    });
    let from = free_number(&own_address());
    let _client = forward(&served, from, &format!("localhost:{number}"));
    assert_eq!(exchange(from, b"").unwrap(), b"from loopback");
}

#[test]
fn to_elsewhere() {
    let served = serve_job("ends", "");
    // Nothing leaves this machine either way: the address is one for documentation.
    for target in ["192.0.2.1:80", "example.invalid:80", "0.0.0.0:80", "169.254.169.254:80"] {
        let (host, port) = target.split_once(':').unwrap();
        let finished = served.ssh(&["-o", "LogLevel=INFO", "-W", &format!("{host}:{port}"), "run"]);
        assert_eq!(finished.code, Some(255), "{target}: {finished:#?}");
        assert!(finished.stderr.contains("prohibited"), "{target}: {finished:#?}");
    }
    // A port without a listener is reported differently.
    let closed = served.ssh(&[
        "-o",
        "LogLevel=INFO",
        "-W",
        &format!("127.0.0.1:{}", free_number(&own_address())),
        "run",
    ]);
    assert!(closed.stderr.contains("refused") || closed.stderr.contains("connect failed"));
}

#[test]
fn from_the_run_to_the_client() {
    let served = serve_job("ends", "");
    let words = ["-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:22", "run", "echo entered"];
    let finished = served.ssh(&words);
    assert_eq!((finished.code, &*finished.stdout), (Some(255), ""), "{finished:#?}");
    assert!(finished.stderr.contains("remote port forwarding failed"), "{finished:#?}");
    for words in [["-A", "run"], ["-X", "run"]] {
        let command = [&words[..], &["echo \"$SSH_AUTH_SOCK$DISPLAY\""]].concat();
        assert_eq!(served.ssh(&command).stdout, "\n", "{words:?}");
    }
}
