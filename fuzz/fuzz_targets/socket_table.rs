//! What the kernel says about sockets.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    chutes_ports::fuzzing::sockets(bytes);
});
