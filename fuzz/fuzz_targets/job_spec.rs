//! Specs, of our own form and of that of ComputeHorde.

#![no_main]

use chutes_compute_horde::{CLASSES, read_spec};
use chutes_core::{JobSpec, SpecRules};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match read_spec(text, SpecRules::of_classes(&CLASSES)) {
        Ok(spec) => {
            // What is written down at the start of a run must be readable at its end.
            let json = serde_json::to_string(&spec).unwrap();
            let again: JobSpec = serde_json::from_str(&json).unwrap();
            assert_eq!(again, spec, "{json}");
        }
        Err(errors) => drop(errors.to_string()),
    }
});
