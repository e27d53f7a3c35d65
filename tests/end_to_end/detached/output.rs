//! What the job of a detached run prints, by its control socket.

use chutes::event::LogStream;
use chutes::outcome::EndStatus;
use chutes::supervisor::control::{ControlClient, ControlError};

use super::Detached;

/// What a job prints is read from its supervisor, from any byte on, also by a client that comes back.
#[test]
fn output_by_the_control_socket() {
    let run = Detached::start("waits_for_a_file");
    let output =
        |from| ControlClient::connect(&run.root).unwrap().logs(LogStream::Stdout, from).unwrap();
    let mut first = output(0);
    assert_eq!(first.next().unwrap().unwrap().bytes, b"ready\n");
    drop(first);
    let rest = output(2);
    run.go();
    let rest: Vec<_> = rest.map(Result::unwrap).map(|part| (part.offset, part.bytes)).collect();
    assert_eq!(rest, [(2, b"ady\n".to_vec())]);
    assert_eq!(run.outcome().status(), EndStatus::Completed);
    // A supervisor that is killed has not said that this is all.
    let killed = Detached::start("waits_for_a_file");
    let output = ControlClient::connect(&killed.root).unwrap().logs(LogStream::Stdout, 0).unwrap();
    killed.wait_for("ready");
    killed.kill();
    assert!(matches!(output.last(), Some(Err(ControlError::Broken(_)))));
    assert_eq!(killed.run("recover run").code, Some(0));
}
