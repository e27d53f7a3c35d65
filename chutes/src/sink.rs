//! Where the files of a run are delivered to, and what became of each delivery.
//!
//! A [`SinkSpec`] is a directory, a zip file, a URL, or a place in an object store; [`Run::sinks`](crate::Run::sinks)
//! and [`RunRequest`](crate::request::RunRequest) take them. The [`Outcome`](crate::Outcome) has one [`SinkReport`] for
//! each.
//!
//! ```
//! use chutes::sink::{SinkKind, SinkSpec};
//!
//! let sink: SinkSpec = "/backup/{job}/{run_id}".parse()?;
//! assert!(matches!(sink.kind(), SinkKind::Directory(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use chutes_runtime::{
    Delivery, DeliveryState, HttpUrl, SecretPairs, SinkKind, SinkReport, SinkSpec, SinkSpecError,
    StoreUrl, Upload, UploadMethod, UploadResponse, ZipTarget,
};
