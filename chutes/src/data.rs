//! The data that a job takes and the result that it returns: their traits, their JSON, and their errors.
//!
//! Types of one's own need `serde::Deserialize` or `serde::Serialize` and nothing else: the traits [`JobData`],
//! [`JobReturn`], [`JobResultValue`] and [`JobFailure`] are implemented for what fits, and name in the messages of the
//! compiler what does not.
//!
//! ```
//! use chutes::JobError;
//! use chutes::data::{JobData, JobReturn, Json};
//!
//! #[derive(serde::Deserialize)]
//! struct TrainData {
//!     epochs: u32,
//! }
//!
//! fn is_data<T: JobData>() {}
//! fn is_returned<T: JobReturn>() {}
//! is_data::<TrainData>();
//! is_returned::<Result<f64, JobError>>();
//!
//! let data: TrainData = Json::parse(r#"{"epochs": 3}"#)?.to()?;
//! assert_eq!(data.epochs, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use chutes_runtime::{
    DataError, JobData, JobFailure, JobResultValue, JobReturn, Json, JsonError, ResultError,
    SetFieldError,
};
