//! What the process of a session inherits.

use std::process::Command;

use crate::testing::Fixture;

/// Set in the process that the test below starts, which is the same test with ignored signals.
const INNER: &str = "CHUTES_TEST_IGNORES_SIGNALS";

#[tokio::test(flavor = "multi_thread")]
async fn ignored_signals_are_not_inherited() {
    if std::env::var_os(INNER).is_some() {
        let fixture = Fixture::new();
        let finished = fixture.run(&[], "grep SigIgn /proc/self/status").await;
        let mask = finished.stdout.rsplit('\t').next().unwrap().trim();
        let mask = u64::from_str_radix(mask, 16).unwrap();
        // HUP, INT, QUIT, TERM, TSTP.
        assert_eq!(mask & 0b1000_0100_0000_0000_0111, 0, "{finished:?}");
        return fixture.stop().await;
    }
    let program = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' HUP INT QUIT TERM TSTP; exec \"$0\" \"$@\""])
        .arg(program)
        .args(["--exact", "backend::process::tests::ignored_signals_are_not_inherited"])
        .env(INNER, "1")
        .output()
        .unwrap();
    let output_text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && output_text.contains("1 passed"), "{output_text}");
}
