//! The SSH library of Python, which many tools are made of.

use std::path::{Path, PathBuf};

use super::ssh::Served;
use crate::support::finish;

/// The Python with the library.
fn python() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    target.join("python/bin/python")
}

#[test]
fn paramiko() {
    let served = Served::start_job("ends", "");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/end_to_end/access/paramiko_client.py");
    super::ssh::make_key(&served.sandbox, "stranger", "ed25519");
    let python = python();
    assert!(python.exists(), "there is no {}: `cargo xtask test` makes it", python.display());
    let address = served.endpoint.address;
    let port = address.port().to_string();
    let words = [python.to_str().unwrap(), script, &address.ip().to_string(), &port];
    let finished = finish(served.sandbox.program(&words));
    assert_eq!((finished.code, &*finished.stdout), (Some(0), "all is well\n"), "{finished:#?}");
    served.go();
    let (_sandbox, finished) = served.end();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let outcome = finished.outcome();
    assert_eq!(crate::record::collected(&outcome), ["begun.txt", "big.bin", "d/text.txt"]);
}
