//! Measurements, not part of the tests:
//! `cargo test --release -p chutes-volumes --lib fetch::tests::measure -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

/// The most memory that the process ever had, in kB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
#[expect(clippy::print_stderr, reason = "a measurement is for people")]
async fn four_large_files_need_little_memory() {
    const BYTES: u64 = 256 * 1024 * 1024;
    let server = Server::of(vec![Act::Zeros(BYTES)]).await;
    for fixture in [Fixture::new(), Fixture::with_cache()] {
        let volumes = ["a", "b", "c", "d"].map(|path| at(path, file(&server, "/x")));
        let (before, begin) = (peak(), Instant::now());
        fixture.fetch(volumes.into()).await.unwrap();
        let (elapsed, more) = (begin.elapsed().as_secs_f64(), peak() - before);
        eprintln!("4 files of {BYTES} bytes: {elapsed:.3} s, {more} kB more memory");
        assert!(more < 64 * 1024, "{more}");
    }
}
