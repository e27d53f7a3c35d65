//! What a job gets from its [`JobContext`]: ports to bind, and the state of startup hooks.
//!
//! ```
//! use chutes::JobContext;
//! use chutes::context::{MissingState, UnknownPort};
//!
//! fn port_of(ctx: &JobContext, name: &str) -> Result<u16, UnknownPort> {
//!     Ok(ctx.port(name)?.address().port())
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! let ctx = chutes::testing::context(folder.path())?;
//! assert_eq!(port_of(&ctx, "web").unwrap_err().to_string(), "the job declares no port `web`");
//! let missing: MissingState = ctx.state::<u32>().unwrap_err();
//! assert_eq!(missing.to_string(), "no startup hook provides a `u32`");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(no_inline)]
pub use crate::JobContext;
#[doc(inline)]
pub use chutes_runtime::{MissingState, RunPort, UnknownPort};
