//! The programs under test. Cargo says only to this test where it has put them.

use chutes_test_support::{Programs, Sandbox};

/// The binary with the jobs of `tests/jobs`.
pub(crate) const JOBS: &str = env!("CARGO_BIN_EXE_test-jobs");

/// The binary with two jobs of one name.
pub(crate) const DUPLICATE_JOBS: &str = env!("CARGO_BIN_EXE_duplicate-jobs");

/// The programs of a sandbox.
pub(crate) const PROGRAMS: Programs = Programs { jobs: JOBS, cache: env!("CARGO_TARGET_TMPDIR") };

/// A folder for one test, from which the job binary is started.
pub(crate) fn new_sandbox() -> Sandbox {
    Sandbox::new(&PROGRAMS)
}
