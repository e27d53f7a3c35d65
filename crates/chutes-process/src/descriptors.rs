//! The descriptors that this process was started with.

/// The first descriptor after the standard streams.
const FIRST: i32 = 3;

/// Keeps every open descriptor, apart from the standard streams, from the programs that this process starts.
///
/// The standard library does so for what it opens itself. A descriptor that was there when this process was
/// started is inherited by everything that it starts, and may hold secrets: a run request, for instance.
pub fn keep_descriptors() {
    close_fds::set_fds_cloexec_threadsafe(FIRST, &[]);
}
