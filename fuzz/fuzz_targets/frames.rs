//! What a worker and its supervisor say to each other.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Bytes that are no frames are refused.
    let _ = chutes_supervisor::worker::protocol::fuzz(bytes);
});
