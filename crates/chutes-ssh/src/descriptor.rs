//! The path of an open file.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

/// The path in `/proc` by which this process can open or resolve one of its open files.
pub(crate) fn descriptor_path(file: &impl AsFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()).into()
}
