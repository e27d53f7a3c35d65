//! What a job answers to a readiness probe.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    chutes_ports::fuzzing::answer(bytes);
});
