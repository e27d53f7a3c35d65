//! End-to-end tests: the binary `test-jobs` is run as users run it, and what it leaves is examined.
//!
//! Linux with util-linux is needed; tests that need a namespace of their own use `unshare`. Tests of
//! containers need Podman with runc, and the static busybox of Debian.

#![expect(clippy::unwrap_used, reason = "the helpers are part of tests, too")]

mod access;
mod containers;
mod context;
mod deaths;
mod delivery;
mod describe;
mod directory;
mod endings;
mod events;
mod files;
mod full_disk;
mod hooks;
mod input;
mod journal;
mod limits;
mod memory;
mod output;
mod programs;
mod recovery;
mod signals;
mod terminal;
mod tree;
mod usage;
