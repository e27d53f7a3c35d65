//! End-to-end tests: the binary `test-jobs` is run as users run it, and what it leaves is examined.
//!
//! The tests are grouped by what a user does:
//!
//! | group | subject |
//! |---|---|
//! | [`describing`] | the binary is asked about its jobs, or used wrongly: `list`, `describe`, help, mistakes |
//! | [`running`] | endings and exit codes, data, options, hooks, the directory of a run, events, what is printed |
//! | [`stopping`] | signals, limits, cancelling |
//! | [`dying`] | the process of the job dies, has no memory left, or leaves processes behind |
//! | [`outputs`] | which files are collected, and a full disk |
//! | [`delivering`] | files on their way to directories, HTTP, S3 and the Chutes platform |
//! | [`finding`] | runs are found again: `ps`, `show`, `logs` |
//! | [`fetching`] | input volumes, the Hugging Face Hub (in containers) |
//! | [`reaching`] | ports, SSH, the TLS front, of jobs and of images |
//! | [`images`] | specs whose containers are real (Podman) |
//! | [`detached`] | runs that go on without their terminal: `--detach`, `attach`, `cancel`, `stats` |
//! | [`recovering`] | the supervisor is killed, and `recover` finishes its run |
//!
//! Beside the groups: [`programs`], where the programs under test are; [`expected`], how a run of the job `dies`
//! ends; [`stage`], an engine for one test, and parts of specs. What unit tests use as well is in the crate
//! `chutes-test-support`.
//!
//! Linux with util-linux is needed; tests that need a namespace of their own use `unshare`. Tests of containers
//! (`fetching`, `images`, `reaching::images*`) need Podman with runc, and the static busybox of Debian; those of completions
//! need bash, zsh and fish.

#![expect(
    clippy::unwrap_used,
    reason = "functions that several tests share are part of tests, too"
)]

mod delivering;
mod describing;
mod detached;
mod dying;
mod expected;
mod fetching;
mod finding;
mod images;
mod outputs;
mod programs;
mod reaching;
mod recovering;
mod running;
mod stage;
mod stopping;
