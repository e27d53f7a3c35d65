//! Many clients without a key.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use chutes::event::RunEvent;
use chutes_test_support::machine::peak_memory;
use chutes_test_support::wait_until;

use super::ssh::serve_job;

/// Scanners send nonsense, send nothing, or come in hundreds. A client with a key gets in meanwhile.
#[test]
fn scanners() {
    let served = serve_job("ends", "");
    let address = served.endpoint.address;
    let before = peak_memory(served.running.pid()).unwrap();
    let connect = || TcpStream::connect(address).unwrap();
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0; 4096], b"SSH-1.5-old\r\n", &[0xff; 16_000]]
    {
        let mut stream = connect();
        // The server may have closed it by now.
        let _ = stream.write_all(garbage);
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(served.printed("echo welcome"), "welcome\n");
    let silent: Vec<_> = (0..200).map(|_| connect()).collect();
    for _ in 0..3 {
        assert_eq!(served.printed("echo welcome"), "welcome\n");
    }
    drop(silent);
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect();
            let _ = stream.write_all(b"SSH-2.0-slow\r\n");
            stream
        })
        .collect();
    // Each of them could be about to log in, so it has a few seconds.
    wait_until("there is room", || served.ssh(&["run", "echo welcome"]).stdout == "welcome\n");
    drop(slow);
    let after = peak_memory(served.running.pid()).unwrap();
    assert!(after - before < 64 * 1024, "{before} kB before, {after} kB after");
    wait_until("they are reported", || {
        let events = served.events();
        events.iter().any(|event| matches!(event, RunEvent::SshRefused { .. }))
    });
    served.go();
    assert_eq!(served.end().1.code, Some(0));
}
