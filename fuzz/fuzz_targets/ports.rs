//! What is said of ports on the command line and in specs.

#![no_main]

use chutes_core::{Port, PortName, Ports, Publish, ReadinessPath};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(publish) = text.parse::<Publish>() {
        assert_eq!(publish.to_string().parse::<Publish>(), Ok(publish));
    }
    if let Ok(port) = serde_json::from_str::<Port>(text) {
        let again = serde_json::to_string(&port).unwrap();
        assert_eq!(serde_json::from_str::<Port>(&again).unwrap(), port);
        // It may be wrong beside the port of SSH, which is refused.
        let _ = Ports::new(vec![port], true);
    }
    if let Ok(path) = ReadinessPath::new(text.to_owned()) {
        let is_plain = path.as_str().bytes().all(|byte| byte.is_ascii_graphic());
        assert!(path.as_str().starts_with('/') && is_plain, "{path}");
    }
    // Names are said in warnings: whatever is refused must be sayable, too.
    let _ = PortName::new(text.to_owned()).map_err(|error| error.to_string());
});
