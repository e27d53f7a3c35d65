//! The wire form, the signatures and the names of ComputeHorde.
//!
//! This is an internal component of chutes, with no promise of stability. It reads and writes a job as the
//! official SDK sends it ([`JobRequest`]) and turns it into a [`JobSpec`] and back, makes the texts that
//! clients sign ([`signed_fields`], [`full_request_text`]), and has the executor classes that the SDK names
//! ([`CLASSES`]). [`read_spec`] takes a spec in our own form or in the wire form.
//!
//! It is no client and no server of that API, it computes no hash, and it checks no signature. `chutes-core`
//! knows nothing of ComputeHorde, although the two agree in much: most names of status and of phases, the kinds
//! of volumes, the rules of relative paths, the JSON form of a job's result, the default limit of 5 seconds for
//! the start of streaming, and the longest names of images (255 bytes) and namespaces (100 characters).
//!
//! ```
//! use chutes_compute_horde::{CLASSES, JobRequest, read_spec};
//! use chutes_core::{JobSpec, SpecRules};
//!
//! let body = r#"{
//!     "docker_image": "alpine", "download_time_limit": 1, "execution_time_limit": 2,
//!     "upload_time_limit": 3
//! }"#;
//! let own = r#"{
//!     "image": "alpine", "limits": {"download": 1, "execute": 2, "upload": 3, "grace": 10}
//! }"#;
//! let rules = SpecRules::of_classes(&CLASSES);
//! assert_eq!(read_spec(body, rules)?, JobSpec::from_json(own)?);
//! assert_eq!(JobRequest::from_spec(&read_spec(own, rules)?)?.execution_time_limit, 2);
//! # Ok::<(), chutes_core::SpecErrors>(())
//! ```

mod classes;
mod convert;
mod read;
mod request;
mod signature;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use chutes_core::{JobSpec, SpecErrors, SpecRules};
use serde_json::value::RawValue;

pub use self::classes::CLASSES;
pub use self::request::{JobRequest, OutputUpload, StreamingDetails};
pub use self::signature::{full_request_text, signature_payload, signed_fields};

/// Reads a spec in our own form, or in the wire form, which has a key `docker_image`, by the rules of the component
/// that runs it.
///
/// # Errors
///
/// With everything that is wrong with it, each with its path in the form that it has.
pub fn read_spec(text: &str, rules: SpecRules<'_>) -> Result<JobSpec, SpecErrors> {
    if has_key(text, "docker_image") {
        JobRequest::from_json(text)?.to_spec(rules)
    } else {
        JobSpec::from_json_with(text, rules)
    }
}

/// Whether a text is an object with this key.
fn has_key(text: &str, key: &str) -> bool {
    let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
    members.is_ok_and(|members| members.contains_key(key))
}
