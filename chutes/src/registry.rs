//! The jobs of this program.
//!
//! [`Registry::collect`] finds every function with [`#[job]`](macro@crate::job) and sorts them by name; two jobs of one
//! name are an error.
//!
//! ```
//! use chutes::prelude::*;
//! use chutes::registry::{Registry, UnknownJob};
//!
//! #[job]
//! async fn resizes_images(_ctx: JobContext) -> Result<(), JobError> {
//!     Ok(())
//! }
//!
//! let registry = Registry::collect()?;
//! assert!(registry.jobs().iter().any(|job| job.name().as_str() == "resizes_images"));
//! let error: UnknownJob = registry.get("resizes_image").unwrap_err();
//! assert_eq!(error.suggestion.as_deref(), Some("resizes_images"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(no_inline)]
pub use crate::Registry;
#[doc(inline)]
pub use chutes_runtime::{InvalidJobReason, Job, RegistryError, UnknownJob};
