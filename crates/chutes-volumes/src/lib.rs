//! Input volumes: files, zip files and repositories of the Hugging Face Hub are fetched into a directory
//! before a job begins.
//!
//! An internal component of chutes: there is no promise of stability. Depend on the crate `chutes`
//! instead.
//!
//! [`fetch`] is all there is to call for a run; [`check_inline_zip`] is for the check of a spec. `fetch` takes the volumes of
//! a spec and the directory, [`Settings`] with every limit, an [`EventReporter`](chutes_core::EventReporter) for progress
//! and warnings, and [`FetchControl`].
//!
//! ```text
//! fetch       all volumes of a run, several at a time
//! file        one file, from the cache or its URL
//! inputs      files and folders of `inputs/`
//! http        one file from a URL: retried, resumed, bounded
//! hub         which files a repository has, and their URLs
//! unpack      the members of a zip file, below a directory
//! cache       files by their content, shared between runs
//! ```
//!
//! This crate does not know what a run is: it has no phase. [`FetchControl`] says when it has to end.
//!
//! ```
//! use cap_std::{ambient_authority, fs::Dir};
//! use chutes_core::{EventReporter, HttpUrl, InputVolume, InputVolumes, MountedVolume, RelativePath};
//! use chutes_volumes::{FetchControl, Settings, fetch};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let inputs = Dir::open_ambient_dir(folder.path(), ambient_authority())?;
//! let url = HttpUrl::new("http://169.254.169.254/latest/meta-data")?;
//! let volume = InputVolume::File { url, sha256: None };
//! let volumes =
//!     InputVolumes::new(vec![MountedVolume { path: Some(RelativePath::new("data")?), volume }]);
//!
//! // An address that gives the credentials of the machine to everything that asks is refused.
//! let settings = Settings { cache: None, ..Settings::from_environment()? };
//! let (events, control) = (EventReporter::none(), FetchControl::default());
//! let fetched = fetch(&volumes, inputs, &settings, &events, control).await;
//! let message = fetched.unwrap_err().message;
//! assert!(message.contains("a metadata service of a cloud"), "{message}");
//! # Ok(()) }
//! ```

mod abort;
mod cache;
mod control;
mod error;
mod fetch;
mod file;
mod http;
mod hub;
mod inputs;
mod progress;
mod settings;
mod unpack;

pub use crate::control::FetchControl;
pub use crate::error::VolumeError;
pub use crate::fetch::fetch;
pub use crate::hub::HubSettings;
pub use crate::settings::{CacheSettings, Settings};
pub use crate::unpack::{UnpackLimits, check_inline_zip};
