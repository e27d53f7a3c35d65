//! What `docs/spec.md` says is so.

use super::super::json::keys::{KEYS, PORT_KEYS, SSH_KEYS, STREAMING_KEYS};
use super::super::*;
use super::EXAMPLE;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/spec.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_example_is_the_one_that_is_read() {
    let page = page();
    let (_, after) = page.split_once("```json\n").unwrap();
    assert_eq!(after.split_once("```").unwrap().0, EXAMPLE);
}

#[test]
fn each_example_is_a_spec() {
    let page = page();
    let examples = page.split("```json\n").skip(1);
    let examples: Vec<&str> = examples.map(|after| after.split_once("```").unwrap().0).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        assert_eq!(JobSpec::from_json(example).err(), None, "{example}");
    }
}

#[test]
fn each_key_is_there() {
    let page = page();
    let keys = KEYS.into_iter().chain(PORT_KEYS).chain(SSH_KEYS).chain(STREAMING_KEYS);
    for key in keys {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}
