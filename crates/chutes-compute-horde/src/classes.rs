//! The executor classes of the job SDK.

use chutes_core::ClassProfile;

const GIB: u64 = 1024 * 1024 * 1024;

/// The classes that the job SDK names. Those that stand for the machine itself are [`ClassProfile::BUILT_IN`].
///
/// ```
/// use chutes_compute_horde::CLASSES;
/// use chutes_core::ClassProfile;
///
/// let class = ClassProfile::find("always_on.test", &CLASSES);
/// assert_eq!(class.and_then(|class| class.cpu_millis), Some(2_000));
/// ```
pub static CLASSES: [ClassProfile; 5] = [
    ClassProfile {
        name: "spin_up-4min.gpu-24gb",
        summary: "a GPU of 24 GB, ready after about 4 minutes",
        shared_memory_bytes: 8 * GIB,
        gpu: true,
        ..ClassProfile::LOCAL
    },
    ClassProfile {
        name: "always_on.gpu-24gb",
        summary: "a GPU of 24 GB, always ready",
        shared_memory_bytes: 8 * GIB,
        gpu: true,
        ..ClassProfile::LOCAL
    },
    ClassProfile {
        name: "always_on.llm.a6000",
        summary: "an A6000 GPU of 48 GB, always ready",
        shared_memory_bytes: 16 * GIB,
        gpu: true,
        ..ClassProfile::LOCAL
    },
    ClassProfile {
        name: "always_on.test",
        summary: "for tests: 2 processors, 4 GiB of memory",
        memory_bytes: Some(4 * GIB),
        cpu_millis: Some(2_000),
        processes: 1_024,
        ..ClassProfile::LOCAL
    },
    ClassProfile {
        name: "always_on.cpu.8c.16gb",
        summary: "8 processors, 16 GiB of memory",
        memory_bytes: Some(16 * GIB),
        cpu_millis: Some(8_000),
        ..ClassProfile::LOCAL
    },
];

#[cfg(test)]
mod tests {
    use chutes_core::SpecRules;

    use super::*;

    #[test]
    fn the_table_of_classes_is_the_real_one() {
        let gib = |bytes: u64| format!("{} GiB", bytes / (1 << 30));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/spec.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (_, after) = page.split_once("| class |").unwrap();
        let rows = after.lines().skip(2).take_while(|line| line.starts_with('|'));
        let expected = CLASSES.iter().chain(&ClassProfile::BUILT_IN).map(|class| {
            let memory = class.memory_bytes.map_or_else(|| "all".to_owned(), gib);
            let cpus = class
                .cpu_millis
                .map_or_else(|| "all".to_owned(), |cpus| (cpus / 1_000).to_string());
            let shared = gib(class.shared_memory_bytes);
            let gpu = if class.gpu { "yes" } else { "no" };
            let ClassProfile { name, summary, processes, .. } = class;
            format!("| `{name}` | {summary} | {memory} | {cpus} | {processes} | {shared} | {gpu} |")
        });
        assert_eq!(rows.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    #[test]
    fn an_unknown_class_is_reported_with_all_that_there_are() {
        for text in [
            r#"{"image": "alpine", "executor_class": "always_on.tset"}"#,
            r#"{
                "docker_image": "alpine", "executor_class": "always_on.tset",
                "download_time_limit": 1, "execution_time_limit": 2, "upload_time_limit": 3
            }"#,
        ] {
            let rules = SpecRules::of_classes(&CLASSES);
            let problems = crate::read_spec(text, rules).unwrap_err().problems;
            let [unknown] = &problems[..] else { panic!("{problems:?}") };
            assert_eq!(unknown.path, "$.executor_class");
            let message = &unknown.message;
            assert!(message.contains("did you mean `always_on.test`?"), "{message}");
            let mut all = CLASSES.iter().chain(&ClassProfile::BUILT_IN);
            assert!(all.all(|class| message.contains(class.name)), "{message}");
        }
    }
}
