//! Faults for tests: the supervisor is killed or paused exactly at one record of its log, or retries downloads
//! less often.
//!
//! The feature `fault-injection` compiles this in, and an environment variable with a number makes it act.
//! Only the tests of chutes use either.

use std::fs::File;
use std::io::{self, Write};

use rustix::process::{Signal, getpid, kill_process};

/// Writes half of this record, then ends the process.
const TEAR: &str = "CHUTES_TEST_TEAR_RECORD";

/// Ends the process right after this record.
const STOP: &str = "CHUTES_TEST_STOP_AFTER_RECORD";

/// Stops the process right after this record, until SIGCONT.
const PAUSE: &str = "CHUTES_TEST_PAUSE_AFTER_RECORD";

/// Sets how often a failed download is retried.
const RETRIES: &str = "CHUTES_TEST_DOWNLOAD_RETRIES";

/// How often a failed download is retried; `None` is the usual number.
#[must_use]
pub fn download_retries() -> Option<usize> {
    std::env::var(RETRIES).ok()?.parse().ok()
}

/// Is called before a record is written.
pub(crate) fn before(record: u64, line: &[u8], mut file: &File) -> io::Result<()> {
    if is_meant(TEAR, record) {
        let half = line.len() / 2;
        file.write_all(line.get(..half).unwrap_or_default())?;
        send(Signal::KILL)?;
    }
    Ok(())
}

/// Is called after a record was written.
pub(crate) fn after(record: u64) -> io::Result<()> {
    if is_meant(STOP, record) {
        send(Signal::KILL)?;
    }
    if is_meant(PAUSE, record) {
        send(Signal::STOP)?;
    }
    Ok(())
}

fn is_meant(variable: &str, record: u64) -> bool {
    std::env::var(variable).is_ok_and(|number| number.parse() == Ok(record))
}

/// Sends this process a signal, which takes effect before this returns.
fn send(signal: Signal) -> io::Result<()> {
    Ok(kill_process(getpid(), signal)?)
}
