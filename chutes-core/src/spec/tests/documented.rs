//! What `docs/spec.md` says is so.

use super::super::json::{KEYS, PORT_KEYS, SSH_KEYS, STREAMING_KEYS};
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

#[test]
fn the_table_of_classes_is_the_real_one() {
    let gib = |bytes: u64| format!("{} GiB", bytes / (1 << 30));
    let page = page();
    let (_, after) = page.split_once("| class |").unwrap();
    let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
    let expected = ClassProfile::ALL.iter().map(|class| {
        let memory = class.memory_bytes.map_or_else(|| "all".to_owned(), gib);
        let cpus =
            class.cpu_millis.map_or_else(|| "all".to_owned(), |cpus| (cpus / 1_000).to_string());
        let shared = gib(class.shared_memory_bytes);
        let gpu = if class.gpu { "yes" } else { "no" };
        let ClassProfile { name, summary, processes, .. } = class;
        format!("| `{name}` | {summary} | {memory} | {cpus} | {processes} | {shared} | {gpu} |")
    });
    assert_eq!(rows.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
