//! How durations, sizes and unknown words are read and written everywhere in chutes.
//!
//! ```
//! use std::time::Duration;
//!
//! use chutes::text::{HumanDuration, HumanSize, parse_duration, parse_size, suggest};
//!
//! assert_eq!(parse_duration("1h 30m")?, 5_400);
//! assert_eq!(HumanDuration(Duration::from_secs(5_400)).to_string(), "1h 30m");
//! assert_eq!(HumanSize(parse_size("2GB")?).to_string(), "2.0 GB");
//! assert_eq!(suggest::nearest("timout", ["ports", "timeout"]), Some("timeout"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use chutes_runtime::{
    DurationError, Escaped, HumanDuration, HumanSize, SizeError, parse_duration, parse_size,
    suggest,
};
