use proptest::prelude::*;

use super::*;

fn stat(pid: &str, name: &[u8], state: &str, parent: i32, threads: u32, started: u64) -> Vec<u8> {
    let mut text = format!("{pid} (").into_bytes();
    text.extend_from_slice(name);
    text.extend_from_slice(
        format!(
            ") {state} {parent} 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 {threads} 0 {started} 9 10\n"
        )
        .as_bytes(),
    );
    text
}

fn pid(number: i32) -> Pid {
    super::pid(number).unwrap()
}

fn process(raw: i32, parent: i32) -> Process {
    Process::parse(&stat(&raw.to_string(), b"sh", "S", parent, 1, 7)).unwrap()
}

#[test]
fn states() {
    fn check(state: &str, threads: u32, expected: Activity) {
        let read = Process::parse(&stat("41", b"sh", state, 1, threads, 5)).unwrap();
        assert_eq!(read.activity, expected, "{state} with {threads} threads");
    }
    for alive in ["R", "S", "D", "I", "W", "P"] {
        check(alive, 1, Activity::Alive);
    }
    check("T", 1, Activity::Stopped);
    check("t", 3, Activity::Stopped);
    check("Z", 1, Activity::Ended);
    check("X", 1, Activity::Ended);
    check("Z", 2, Activity::Alive);
}

#[test]
fn hostile_names() {
    fn check(name: &[u8], shown: &str) {
        let read = Process::parse(&stat("41", name, "S", 12, 1, 99)).unwrap();
        assert_eq!((read.name.as_str(), read.parent, read.group), (shown, 12, 40));
        assert_eq!((read.session, read.cpu), (39, CpuTicks { own: 11, children: 15 }));
        assert_eq!(read.identity, Identity { pid: pid(41), started: 99 });
    }
    check(b"sleep", "sleep");
    check(b"", "");
    check(b") Z 1 (", ") Z 1 (");
    check(b"a)\n7 (b) R 1", "a)\\n7 (b) R 1");
    check(b"\x1b[2J", "\\u{1b}[2J");
    check(b"\xff\xfe", "\u{fffd}\u{fffd}");
}

#[test]
fn invalid_stats() {
    for text in [
        "",
        "7 (a",
        "7 (a) S 1",
        "41",
        "41 sh S 1",
        ") 41 (",
        "41 (sh)",
        "0 (sh) S",
        "-1 (sh) S 1 2",
        "x (sh) S",
    ] {
        assert_eq!(Process::parse(text.as_bytes()), None, "{text:?}");
    }
    assert_eq!(Process::parse(&stat("-41", b"sh", "S", 1, 1, 5)), None);
    assert_eq!(Process::parse(&stat("0", b"sh", "S", 1, 1, 5)), None);
}

#[test]
fn descent() {
    fn check(table: &[(i32, i32)], excluded: &[i32], expected: &[i32]) {
        let processes: Vec<_> = table.iter().map(|(pid, parent)| process(*pid, *parent)).collect();
        let excluded = processes
            .iter()
            .filter(|process| excluded.contains(&process.pid().as_raw_pid()))
            .map(|process| process.identity)
            .collect();
        let found = Table { processes }.descendants(pid(10), &excluded);
        let found: Vec<i32> = found.iter().map(|process| process.pid().as_raw_pid()).collect();
        assert_eq!(found, expected, "{table:?}");
    }
    check(&[(1, 0), (10, 1), (11, 1)], &[], &[]);
    check(&[(10, 1), (11, 10), (12, 11), (13, 1)], &[], &[11, 12]);
    // Pids have wrapped around.
    check(&[(3, 12), (10, 1), (12, 10)], &[], &[3, 12]);
    check(&[(10, 1), (11, 10), (12, 11), (13, 10)], &[11], &[13]);
    // An inconsistent table.
    check(&[(10, 11), (11, 10), (12, 13), (13, 12)], &[], &[11]);
    check(&[(10, 10), (11, 10)], &[], &[11]);
}

#[test]
fn processes_whose_parent_is_missing() {
    fn check(table: &[(i32, i32)], expected: &[i32]) {
        let processes = table.iter().map(|(pid, parent)| process(*pid, *parent)).collect();
        let orphaned = Table { processes }.without_parent();
        assert_eq!(orphaned, expected.iter().map(|number| pid(*number)).collect(), "{table:?}");
    }
    check(&[(1, 0), (2, 0), (10, 1)], &[]);
    check(&[(1, 0), (10, 9), (11, 10), (12, 9)], &[10, 12]);
}

#[test]
fn this_process_has_ancestors_and_is_alive() {
    let own = rustix::process::getpid();
    let table = Table::read().unwrap();
    let ancestors = table.with_ancestors(own);
    let parent = std::os::unix::process::parent_id().cast_signed();
    assert!(ancestors.contains(&own.as_raw_pid()) && ancestors.contains(&parent));
    let read = Process::read(own).unwrap().unwrap();
    assert_eq!((read.parent, read.activity), (parent, Activity::Alive));
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_without_panic(bytes: Vec<u8>) {
        let _ = Process::parse(&bytes);
    }

    #[test]
    fn any_name_is_read(name: Vec<u8>, number in 1i32.., parent in 0i32.., started: u64) {
        let read = Process::parse(&stat(&number.to_string(), &name, "S", parent, 1, started)).unwrap();
        prop_assert_eq!(read.identity, Identity { pid: pid(number), started });
        prop_assert_eq!((read.parent, read.activity), (parent, Activity::Alive));
        prop_assert!(!read.name.contains(|c: char| c.is_control()));
    }

    #[test]
    fn the_search_ends_for_any_table(pairs in proptest::collection::vec((1i32..30, 0i32..30), 0..60)) {
        let processes: Vec<_> = pairs.iter().map(|(pid, parent)| process(*pid, *parent)).collect();
        let table = Table { processes };
        let found = table.descendants(pid(10), &HashSet::new());
        prop_assert!(found.iter().all(|process| process.pid() != pid(10)));
        prop_assert!(found.len() <= pairs.len());
        prop_assert!(table.with_ancestors(pid(10)).len() <= 31);
    }
}
