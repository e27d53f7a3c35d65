//! Container images are run: `chutes exec` starts them with Podman, and what a run leaves is examined.
//!
//! `docs/conformance.md` names the counterpart in ComputeHorde of each test.

mod detached;
mod embedded;
mod engine;
mod failures;
mod interrupted;
mod isolation;
mod jobs;
mod limits;
mod outputs;
mod paths;
mod seed;
