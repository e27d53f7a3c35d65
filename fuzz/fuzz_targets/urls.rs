//! Where outputs are delivered, and from where inputs are fetched.

#![no_main]

use chutes_core::{HttpUrl, SinkSpec, StoreUrl};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(url) = HttpUrl::new(text) {
        let (shown, debug) = (url.to_string(), format!("{url:?}"));
        assert!(!shown.chars().any(char::is_control) && !debug.chars().any(char::is_control));
        // The same text may be part of the path, which is no secret.
        let after = shown.split_once("://").map_or("", |(_, after)| after);
        let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
        assert!(!authority.contains('@'), "{shown}");
        assert!(HttpUrl::new(&shown.replace("?…", "")).is_ok(), "{shown}");
    }
    if let Ok(url) = StoreUrl::new(text) {
        assert_eq!(StoreUrl::new(url.as_str()), Ok(url));
    }
    if let Ok(sink) = text.parse::<SinkSpec>() {
        let json = serde_json::to_string(&sink).unwrap();
        let again: SinkSpec = serde_json::from_str(&json).unwrap();
        assert_eq!(again, sink, "{json}");
    }
});
