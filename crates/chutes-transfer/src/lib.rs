//! What all transfers of files share, whether they go out to a sink or come in as an input volume.
//!
//! An internal component of chutes: there is no promise of stability. Depend on the crate `chutes`
//! instead.
//!
//! - [`AddressPolicy`]: which addresses a URL of a spec may name;
//! - [`TransferError`]: why a transfer failed, and whether another attempt may succeed;
//! - [`RetryPolicy`]: how often something is attempted, and how long is waited in between;
//! - [`OngoingTransfers`]: what is being transferred, for the message of a limit that ends it;
//! - `http` (feature `http`): the HTTP client, what an answer means, and what may be shown of it.
//!
//! It does not know what is transferred, from where or to where: that is the business of the crates
//! `chutes-outputs` and `chutes-volumes`.
//!
//! ```
//! use chutes_transfer::{RetryPolicy, Transfer, TransferError};
//!
//! /// A server that is ready at the third attempt.
//! struct Request {
//!     attempts: usize,
//! }
//!
//! impl Transfer for Request {
//!     type Output = &'static str;
//!
//!     async fn attempt(&mut self) -> Result<&'static str, TransferError> {
//!         self.attempts += 1;
//!         if self.attempts < 3 {
//!             return Err(TransferError::transient("503 Service Unavailable"));
//!         }
//!         Ok("content")
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), TransferError> {
//! let policy = RetryPolicy { random: || 0.0, ..RetryPolicy::default() };
//! assert_eq!(policy.retry(&mut Request { attempts: 0 }).await?, "content");
//! # Ok(()) }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod error;
#[cfg(feature = "http")]
pub mod http;
mod retry;

pub use crate::address::{AddressPolicy, RefusedAddress};
pub use crate::error::{TransferCause, TransferError};
pub use crate::retry::{
    Attempts, NO_TIME_LEFT, OngoingTransfer, OngoingTransfers, Retry, RetryNotices, RetryPolicy,
    Transfer,
};
