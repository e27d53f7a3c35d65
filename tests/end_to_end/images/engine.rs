//! The engine of these tests, and its images.

use std::os::unix::net::UnixStream;

use chutes_test_support::containers::{Engine, image, printed};

use crate::programs::new_sandbox;

#[test]
fn containers_are_seen_and_removed() {
    let sandbox = new_sandbox();
    let (engine, other) = (Engine::start(&sandbox), new_sandbox());
    assert!(UnixStream::connect(engine.host().strip_prefix("unix://").unwrap()).is_ok());
    let other = Engine::start(&other);
    let mut run = engine.podman();
    let mount = format!("{}:/output", sandbox.path("").display());
    run.args(["run", "--detach", "--network", "none", "--volume", &mount, image::PLAIN]);
    run.args(["sleep", "1000"]);
    let id = printed(run);
    assert_eq!(engine.containers(), [id.trim_end()]);
    assert_eq!(other.containers(), [""; 0]);
    let again = Engine::start(&sandbox);
    drop(engine);
    assert_eq!(again.containers(), [""; 0]);
}

/// What the tests rely on, run by Podman itself.
#[test]
fn images_do_what_the_tests_need() {
    let sandbox = new_sandbox();
    let engine = Engine::start(&sandbox);
    for folder in ["volume", "output", "artifacts"] {
        std::fs::create_dir(sandbox.path(folder)).unwrap();
    }
    std::fs::write(sandbox.path("volume/payload.txt"), "payload").unwrap();
    let run = |image: &str, arguments: &[&str]| {
        let mut run = engine.podman();
        run.args(["run", "--rm", "--network", "none"]);
        for folder in ["volume", "output", "artifacts"] {
            run.arg("--volume").arg(format!("{}:/{folder}", sandbox.path(folder).display()));
        }
        run.arg(image).args(arguments);
        printed(run)
    };
    assert_eq!(run(image::PLAIN, &["/seed.sh"]), "payload");
    assert_eq!(std::fs::read(sandbox.path("output/file2.txt")).unwrap(), b"two");
    let all: Vec<u8> = (0..=255).collect();
    assert_eq!(std::fs::read(sandbox.path("artifacts/All-BYTES.bin")).unwrap(), all);
    let a_million = sandbox.path("artifacts/a-million").metadata().unwrap();
    assert_eq!(a_million.len(), 1_000_000);
    assert_eq!(run(image::USER, &["id", "-u"]), "1000\n");
    assert!(run(image::COMMAND, &[]).contains("GREETING=hello"));
    assert!(run(image::JOB_BINARY, &["test-jobs", "list"]).contains("waits_for_a_file"));
}
