//! The SSH library of Python, which many tools use.

use chutes_test_support::clients::ssh::make_key;
use chutes_test_support::finish;
use chutes_test_support::record::collected;

use super::ssh::serve_job;

#[test]
fn paramiko() {
    let served = serve_job("ends", "");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/end_to_end/reaching/paramiko_client.py");
    make_key(&served.sandbox, "stranger", "ed25519");
    let python = served.sandbox.programs().python();
    let address = served.endpoint.address;
    let port = address.port().to_string();
    let words = [python.to_str().unwrap(), script, &address.ip().to_string(), &port];
    let finished = finish(served.sandbox.program(&words));
    assert_eq!((finished.code, &*finished.stdout), (Some(0), "all is well\n"), "{finished:#?}");
    served.go();
    let (_sandbox, finished) = served.end();
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    let outcome = finished.outcome();
    assert_eq!(collected(&outcome), ["begun.txt", "big.bin", "d/text.txt"]);
}
