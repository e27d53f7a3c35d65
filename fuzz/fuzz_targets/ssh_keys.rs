//! Public keys that may log in.

#![no_main]

use chutes_ssh::AuthorizedKeys;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = AuthorizedKeys::parse(&[text.to_owned()]) {
        let message = error.to_string();
        // What was given by mistake may be secret, and is never repeated.
        assert!(message.len() < 400, "{message}");
        assert!(!message.contains("b3BlbnNzaC1rZXktdjE"), "{message}");
    }
});
