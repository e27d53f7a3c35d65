//! Ends the build on systems other than Linux, with one line.
//!
//! This is an internal component of chutes, with no promise of stability. It has no items. The components that use what
//! only Linux has depend on it, so none of them is compiled elsewhere, where each would have hundreds of errors. It has no
//! dependencies, so its own error is among the first things that happen. `chutes-core`, which does no I/O, and the
//! attributes, which are compiled for the machine of the developer, do not depend on it.

#[cfg(not(target_os = "linux"))]
compile_error!("chutes supports Linux only");
