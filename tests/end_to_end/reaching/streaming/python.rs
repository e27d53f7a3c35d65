//! A client like those of ComputeHorde users: a certificate of their SDK, requests from Python.

use std::path::Path;
use std::process::Command;

use chutes_test_support::clients::front::Client;
use serde_json::json;

use crate::programs::PROGRAMS;
use crate::reaching::server::Server;

/// Makes keys and certificates as the SDK does.
const MAKE: &str = r#"
import sys
from pathlib import Path
from compute_horde_core.certificate import (
    generate_certificate, serialize_certificate, write_certificate, write_private_key)
for name in "right", "wrong":
    certificate, key = generate_certificate("127.0.0.1")
    write_certificate(certificate, Path(name + ".pem"))
    write_private_key(key, Path(name + ".key"))
"#;

/// Asks with the right certificate, with another one and without any.
const ASK: &str = r#"
import ssl, sys, urllib.request
import httpx
url, front = sys.argv[1:]
def context(name):
    context = ssl.create_default_context(cafile=front)
    if name: context.load_cert_chain(name + ".pem", name + ".key")
    return context
https = urllib.request.HTTPSHandler(context=context("right"))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)
print("urllib", opener.open(url, timeout=30).read().decode().strip())
for name in "right", "wrong", None:
    try:
        with httpx.Client(verify=context(name), trust_env=False, timeout=30) as client:
            print(name, client.get(url).text.strip())
    except (httpx.TransportError, ssl.SSLError) as error:
        print(name, "is refused")
"#;

#[track_caller]
fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(PROGRAMS.python());
    command.arg("-c").arg(program).args(arguments).current_dir(folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn certificates_of_the_sdk() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), MAKE, &[]);
    let certificate = std::fs::read_to_string(folder.path().join("right.pem")).unwrap();
    let server = Server::of_spec(json!({"streaming": {"client_certificate": certificate}}), "");
    let client = Client::of(&server.wait_for("streaming", "", ""), &server.sandbox);
    let url = format!("https://{}/", client.address);
    let said = run(folder.path(), ASK, &[&url, client.file().to_str().unwrap()]);
    assert_eq!(said, "urllib a page\nright a page\nwrong is refused\nNone is refused\n");
    server.cancel();
}
