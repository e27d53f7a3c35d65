//! What only the component can judge that runs specs: the classes that there are, and parts that it reads.

use serde_json::{Value, json};

use super::super::*;
use super::image;

#[test]
fn classes_are_known_to_the_component_that_runs_specs() {
    let classes = [ClassProfile { name: "large", ..ClassProfile::LOCAL }];
    let rules = SpecRules::of_classes(&classes);
    for (class, expected) in [
        (json!(null), None),
        (json!("large"), None),
        (json!("local"), None),
        (json!("local.gpu"), None),
        (
            json!("lagre"),
            Some(
                "there is no class `lagre`, did you mean `large`?; there are `large`, `local`, `local.gpu`",
            ),
        ),
        (json!("x"), Some("there is no class `x`; there are `large`, `local`, `local.gpu`")),
    ] {
        let text = image(&json!({ "executor_class": class }));
        let expected = expected.map(|problem| format!("$.executor_class: {problem}"));
        let read = JobSpec::from_json_with(&text, rules);
        assert_eq!(read.err().map(|errors| errors.to_string()), expected);
        let read = JobSpec::from_json(&text).unwrap().check_class(&classes);
        assert_eq!(read.err().map(|errors| errors.to_string()), expected);
        let mut builder = JobSpec::builder(ImageName::new("alpine").unwrap());
        if let Some(class) = class.as_str() {
            builder = builder.executor_class(class);
        }
        let built = builder.build_with(rules);
        assert_eq!(built.err().map(|errors| errors.to_string()), expected);
    }
}

/// What only the component can judge is reported with everything else, each at its place and once.
#[test]
fn a_component_has_rules_of_its_own() {
    const fn refuse<T: ?Sized>(_: &T) -> Result<(), String> {
        Err(String::new())
    }
    let rules = SpecRules {
        classes: &[],
        public_keys: refuse,
        client_certificate: refuse,
        inline_zip: refuse,
    };
    let inline = || json!({ "type": "inline", "contents": "UEsFBg==" });
    let text = image(&json!({
        "evn": {},
        "input_volumes": { "/volume/": [file_named("a"), inline()], "/volume/x": inline() },
        "ssh": { "public_keys": ["ssh-ed25519 AAAA", 1, ""] },
        "streaming": { "client_certificate": "no certificate" },
    }));
    let errors = JobSpec::from_json_with(&text, rules).unwrap_err().problems;
    let mut paths: Vec<_> = errors.into_iter().map(|problem| problem.path).collect();
    paths.sort();
    let expected = [
        "$.evn",
        r#"$.input_volumes["/volume/"][1].contents"#,
        r#"$.input_volumes["/volume/x"].contents"#,
        "$.ssh.public_keys[0]",
        "$.ssh.public_keys[1]",
        "$.ssh.public_keys[2]",
        "$.streaming.client_certificate",
    ];
    assert_eq!(paths, expected);
}

/// A zip file of a server.
fn file_named(name: &str) -> Value {
    json!({ "type": "zip_url", "url": format!("https://e.test/{name}") })
}
