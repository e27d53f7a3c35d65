//! Help, and the messages for a wrong command line.

use chutes_test_support::finish;

use crate::programs::{DUPLICATE_JOBS, JOBS, new_sandbox};

/// A wrong command line: exit code 2, nothing on standard output, nothing made.
#[track_caller]
fn check(arguments: &str, error: &str, hint: &str) {
    let sandbox = new_sandbox();
    let finished = sandbox.run(arguments);
    assert_eq!(finished.code, Some(2), "{arguments}: {finished:#?}");
    assert_eq!(finished.stdout, "", "{arguments}");
    assert_eq!(finished.errors(), [format!("error: {error}")], "{arguments}");
    assert!(finished.stderr.contains(hint), "{arguments}: {hint}: {finished:#?}");
    assert_eq!(sandbox.entries(), [""; 0], "{arguments}");
}

#[test]
fn unknown_job() {
    check("run eco", "there is no job `eco`", "\n\nhint: did you mean `echo`?\n");
    check("describe paniks", "there is no job `paniks`", "\n\nhint: did you mean `panics`?\n");
    check("run zzzzzz", "there is no job `zzzzzz`", "\n\nhint: `list` shows the jobs");
    check("run -- --json", "there is no job `--json`", "\n\nhint: `list` shows the jobs");
}

#[test]
fn unknown_words() {
    check("recovr", "unrecognized subcommand 'recovr'", "a similar subcommand exists: 'recover'");
    check(
        "run echo --datta {}",
        "unexpected argument '--datta' found",
        "similar argument exists: '--data'",
    );
    check("list --jsn", "unexpected argument '--jsn' found", "similar argument exists: '--json'");
    check("run echo extra", "unexpected argument 'extra' found", "Usage: test-jobs run");
}

#[test]
fn version() {
    let finished = new_sandbox().run("--version");
    let expected = format!("test-jobs (chutes {})\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), expected.as_str()));
}

#[test]
fn wrong_values() {
    for (arguments, error, hint) in [
        (
            "run echo --set epochs",
            "invalid value 'epochs' for '--set <KEY=VALUE>': expected KEY=VALUE",
            "try '--help'",
        ),
        (
            "run echo --time-limit 0",
            "invalid value '0' for '--time-limit <DURATION>': a time limit is at least 1 second",
            "try '--help'",
        ),
        (
            "run echo --host example.org",
            "invalid value 'example.org' for '--host <ADDRESS>': expected an address of this machine, for instance \
             `127.0.0.1`, `0.0.0.0` or `localhost`",
            "try '--help'",
        ),
        (
            "run echo --memory-limit 8",
            "invalid value '8' for '--memory-limit <SIZE>': 8 B are less than any program needs: write a unit, for \
             instance `8GB`",
            "try '--help'",
        ),
        (
            "run echo --set epochs=1 --time-limit 2h",
            "a run may not take longer than its job declares: 1h",
            "",
        ),
    ] {
        check(arguments, error, hint);
    }
}

/// Durations are explained where they are wrong.
#[test]
fn wrong_durations() {
    for text in ["1x", "soon", "-1", "1.5", "99999999999999999999"] {
        let sandbox = new_sandbox();
        let finished = sandbox.run(&format!("run echo --grace={text}"));
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        let start = format!("error: invalid value '{text}' for '--grace <DURATION>': ");
        let errors = finished.errors();
        assert!(errors.len() == 1 && errors[0].starts_with(&start), "{finished:#?}");
        assert!(errors[0].len() > start.len() + 10, "no explanation: {finished:#?}");
    }
}

/// A limit beyond the range of the clock does not cause a crash.
#[test]
fn longest_durations() {
    let sandbox = new_sandbox();
    let longest = u64::MAX;
    let finished = sandbox.run(&format!("run fails --time-limit {longest} --grace {longest}"));
    assert!(!finished.stderr.contains("panicked at chutes"), "{finished:#?}");
    let end = finished.stderr.lines().last().unwrap();
    assert!(matches!(finished.code, Some(1 | 2)), "{finished:#?}");
    assert!(finished.code == Some(2) || end.starts_with("failed in "), "{finished:#?}");
}

#[test]
fn nothing_asked_for() {
    let finished = new_sandbox().run("");
    assert_eq!((finished.code, &*finished.stdout), (Some(2), ""));
    assert!(finished.stderr.contains("Usage: test-jobs <COMMAND>"), "{finished:#?}");
}

#[test]
fn help() {
    for (arguments, parts) in [
        ("--help", &["Usage: test-jobs <COMMAND>", "completions", "Exit codes:"][..]),
        ("-h", &["Usage: test-jobs <COMMAND>"]),
        ("help", &["Usage: test-jobs <COMMAND>"]),
        (
            "help run",
            &[
                "Usage: test-jobs run [OPTIONS] <JOB|--request <FILE|fd:N|->>",
                "--run-dir",
                "Exit codes:",
            ],
        ),
        (
            "run --help",
            &[
                "Usage: test-jobs run [OPTIONS] <JOB|--request <FILE|fd:N|->>",
                "--set <KEY=VALUE>",
                "`run JOB --help` lists the options of its data",
            ],
        ),
        ("run echo -h", &["Usage: test-jobs run echo [OPTIONS]", "Data of echo:"]),
        ("describe --help", &["Usage: test-jobs describe [OPTIONS] [JOB]"]),
        ("list --help", &["Usage: test-jobs list [OPTIONS]"]),
        ("completions --help", &["bash", "zsh", "fish"]),
    ] {
        let sandbox = new_sandbox();
        let finished = sandbox.run(arguments);
        assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{arguments}");
        for part in parts {
            assert!(finished.stdout.contains(part), "{arguments}: {part}: {finished:#?}");
        }
        for code in ["\n  0 ", "\n  1 ", "\n  2 ", "\n  3 ", "\n  4 ", "\n  124 ", "\n  130 "] {
            let listed = finished.stdout.contains(code);
            assert_eq!(listed, finished.stdout.contains("Exit codes:"), "{arguments}: {code}");
        }
        assert_eq!(sandbox.entries(), [""; 0]);
    }
}

/// Two jobs of one name are refused before anything else, naming both places.
#[test]
fn duplicate_jobs() {
    let source = include_str!("../../jobs/duplicate.rs");
    let lines = source.lines().enumerate().filter(|(_, line)| line.contains("async fn train"));
    let [first, second] = lines.map(|(at, _)| at).collect::<Vec<_>>()[..] else { panic!() };
    let error = format!(
        "error: two jobs are named `train`: one in module `duplicate_jobs::first` at tests/jobs/duplicate.rs:{first}, one in module `duplicate_jobs::second` at tests/jobs/duplicate.rs:{second}; rename one of them",
    );
    for arguments in [&["list"][..], &["list", "--json"], &["describe"], &["run", "train"]] {
        let sandbox = new_sandbox();
        let finished = finish(sandbox.program(&[&[DUPLICATE_JOBS], arguments].concat()));
        assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{arguments:?}");
        assert_eq!(finished.errors(), [&*error], "{arguments:?}");
        assert_eq!(sandbox.entries(), [""; 0]);
    }
}

/// The name in help and messages is that of the file.
#[test]
fn name_of_the_binary() {
    let sandbox = new_sandbox();
    std::os::unix::fs::symlink(JOBS, sandbox.path("trainers")).unwrap();
    let finished = finish(sandbox.program(&["./trainers", "--help"]));
    assert!(finished.stdout.contains("Usage: trainers <COMMAND>"), "{finished:#?}");
}
