//! What becomes of the files of a run: they are collected into a manifest, and delivered to sinks.
//!
//! An internal component of chutes: there is no promise of stability. Depend on the crate `chutes`
//! instead.
//!
//! 1. [`collect`] lists every regular file below a directory, with its checksum;
//! 2. [`open_sinks`] makes a [`Sink`] of each place that was asked for: a directory, a zip file, a URL
//!    (feature `http`), an object store (feature `object-store`);
//! 3. [`delivery::deliver`] sends every collected file to every sink, and says what became of each.
//!
//! A sink only knows how one file gets to its place, once. When, how often and how many at a time is
//! decided by [`delivery`], for all sinks alike; it attempts things again as `chutes-transfer` says.
//! This crate does not know what a run is beyond the files in its directory: no phases, no limits, no
//! journal. The caller gets every result by a callback and writes down what it needs.
//!
//! ```
//! use std::fs;
//! use std::sync::Arc;
//! use std::sync::atomic::AtomicBool;
//!
//! use cap_std::{ambient_authority, fs::Dir};
//! use chutes_core::{Ending, FileKind, FileState, Manifest, RunId};
//! use chutes_outputs::delivery::{DeliveryJob, deliver};
//! use chutes_outputs::{RunSummary, SourceFile, collect, open_below, open_sinks};
//! use chutes_transfer::AddressPolicy;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (run_root, backup) = (folder.path().join("run"), folder.path().join("backup"));
//! fs::create_dir_all(run_root.join("outputs"))?;
//! fs::write(run_root.join("outputs/model.bin"), "weights")?;
//! let outputs = Dir::open_ambient_dir(run_root.join("outputs"), ambient_authority())?;
//! let files = collect(outputs.try_clone(), &AtomicBool::new(false)).files;
//!
//! let FileState::Collected { bytes, sha256 } = files[0].state else { panic!("not collected") };
//! let open = Arc::new(move |_: FileKind, path: &_| open_below(&outputs, path));
//! let model = SourceFile::new(FileKind::Output, files[0].path.clone(), bytes, sha256, open);
//! let run_id = RunId::from_bytes([7; 16]);
//! let manifest = Manifest { run_id, files, logs: Vec::new(), artifacts: Vec::new() };
//! let run = RunSummary { run_id, ending: Ending::Completed, result: None, manifest };
//!
//! let places = [backup.display().to_string().parse()?];
//! let sinks = open_sinks(&places, &run_root, &AddressPolicy::default())?;
//! let delivered = deliver(&sinks, &DeliveryJob::new(run, vec![model])).await;
//! assert!(delivered.reports[0].is_complete());
//! assert_eq!(fs::read(backup.join("outputs/model.bin"))?, b"weights");
//! # Ok(()) }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod delivery;

mod attributes;
mod blocking;
mod collect;
mod copying;
mod directory;
mod fingerprint;
mod folder;
#[cfg_attr(not(feature = "http"), path = "http/absent.rs")]
mod http;
mod log_name;
#[cfg_attr(not(feature = "object-store"), path = "object_store/absent.rs")]
mod object_store;
mod open;
mod sink;
mod source;
#[cfg(test)]
mod test_run;
mod zip;

pub use crate::collect::{Collection, FoundFile, checksum, collect, open_below, scan};
pub use crate::fingerprint::Fingerprint;
pub use crate::log_name::log_part;
pub use crate::open::{OpenSink, check_places, open_sinks};
pub use crate::sink::{RunSummary, Sending, Sink};
pub use crate::source::{Open, SourceFile};
