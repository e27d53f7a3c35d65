//! What a terminal shows: a bar, tables, colours, and whole lines of the job.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;

use chutes_test_support::machine::open_terminal;
use chutes_test_support::screen;
use rustix::termios::{Winsize, tcsetwinsize};

use crate::programs::new_sandbox;

/// Runs a command at a terminal of its own, of this width. Returns the exit code and everything that came to the screen.
#[track_caller]
fn at_terminal(mut command: Command, width: u16) -> (Option<i32>, String) {
    let (terminal, other_side) = open_terminal();
    let size = Winsize { ws_row: 40, ws_col: width, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal.as_fd(), size).unwrap();
    command.stdin(other_side.try_clone().unwrap());
    command.stdout(other_side.try_clone().unwrap()).stderr(other_side);
    if !command.get_envs().any(|(name, _)| name == "TERM") {
        command.env("TERM", "xterm-256color");
    }
    let mut child = command.spawn().unwrap();
    // This side holds the terminal open until the command is dropped.
    drop(command);
    let reader = thread::spawn(move || {
        let mut screen = Vec::new();
        // The end of the other side is an error here.
        let _ = File::from(terminal).read_to_end(&mut screen);
        String::from_utf8_lossy(&screen).into_owned()
    });
    let screen = reader.join().unwrap();
    (child.wait().unwrap().code(), screen)
}

fn run(arguments: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let sandbox = new_sandbox();
    let mut command = sandbox.command(&arguments.split_whitespace().collect::<Vec<_>>());
    command.envs(environment.iter().copied());
    at_terminal(command, 100)
}

/// What stands on the screen of a terminal of this width in the end.
fn shown(arguments: &str, width: u16) -> Vec<String> {
    let sandbox = new_sandbox();
    let command = sandbox.command(&arguments.split_whitespace().collect::<Vec<_>>());
    let (_, written) = at_terminal(command, width);
    screen::lines(&written, width.into())
}

/// The text without control sequences. What was drawn over is still in it.
fn plain(screen: &str) -> String {
    let mut text = String::new();
    let mut rest = screen;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        text += before;
        rest = after.trim_start_matches(|c: char| c.is_ascii_digit() || ";?".contains(c));
        rest = rest.get(1..).unwrap_or_default();
    }
    text + rest
}

/// The lines of the screen as they stand in the end: what was drawn before a return to the start
/// of the line counts as gone.
fn lines(screen: &str) -> Vec<String> {
    let last_drawn = |line: &str| line.trim_end_matches('\r').rsplit('\r').next().map(String::from);
    plain(screen).split('\n').filter_map(last_drawn).collect()
}

#[test]
fn bar() {
    let (code, screen) = run("run prints_slowly", &[]);
    assert_eq!(code, Some(0), "{screen}");
    let text = plain(&screen);
    assert!(text.contains("execute [00:00:0"), "{screen}");
    assert!(text.contains("% at line 2"), "{screen}");
    assert!(text.contains('█'), "{screen}");
    // Progress is in the bar, not in lines.
    assert!(!text.contains("progress: "), "{screen}");
}

/// A line that is wider than the terminal would take two.
#[test]
fn narrow_bar() {
    let sandbox = new_sandbox();
    let (_, written) = at_terminal(sandbox.command(&["run", "prints_slowly"]), 40);
    assert!(written.contains("% at line 2"), "{written}");
    assert!(!written.contains("\u{1b}[1A"), "no line above is drawn anew: {written:?}");
}

/// The bar is one line, whatever the job reports, and a report cannot control the terminal.
#[test]
fn reports_of_several_lines() {
    let (code, written) = run("run reports_progress_in_lines", &[]);
    assert_eq!(code, Some(0), "{written}");
    assert!(written.contains("\\nlong long"), "{written:?}");
    assert!(!written.contains("\nlong long"), "{written:?}");
}

/// A bar at 0 % would say that the job has not begun.
#[test]
fn no_bar_without_progress() {
    let (code, screen) = run("run echo --set epochs=1", &[]);
    assert_eq!(code, Some(0), "{screen}");
    let text = plain(&screen);
    assert!(text.contains("[00:00:0") && !text.contains("0%"), "{screen}");
}

/// Lines of the job, on both streams, and warnings come in between, before, and after the bar.
#[test]
fn nothing_of_the_bar_stays() {
    for width in [40, 80] {
        for (arguments, said) in [
            ("run prints_slowly", "second half 4"),
            ("run echo --set epochs=1", "echo on standard error"),
            (
                r#"run opens_ports --data "nothing" --publish web:0"#,
                "warning: port `web` was never",
            ),
            ("run leaves_a_child", "before"),
            ("run reports_progress_in_lines", "printed with the first report"),
        ] {
            let lines = shown(arguments, width);
            assert!(lines.iter().any(|line| line.contains(said)), "{arguments}: {lines:#?}");
            let is_bar = |line: &&String| {
                line.contains("[00:") || ['█', '░', '⠁'].iter().any(|part| line.contains(*part))
            };
            assert_eq!(lines.iter().find(is_bar), None, "{arguments}, {width}: {lines:#?}");
        }
    }
}

#[test]
fn lines_of_the_job_stay_whole() {
    let (_, screen) = run("run prints_slowly", &[]);
    let lines = lines(&screen);
    for line in 0..5 {
        let whole = format!("first half {line}, second half {line}");
        assert_eq!(lines.iter().filter(|line| **line == whole).count(), 1, "{whole}: {screen:?}");
    }
}

/// The last line of a job is shown, too, and not mixed with later lines.
#[test]
fn unfinished_last_line() {
    let (_, screen) = run("run prints_slowly", &[]);
    let text = plain(&screen);
    assert!(text.contains("the end without a newline"), "{screen:?}");
    let lines = lines(&screen);
    assert!(lines.iter().any(|line| line == "the end without a newline"), "{screen:?}");
}

#[test]
fn tables() {
    let (code, screen) = run("run writes_a_huge_file --data 8000000000000 --upload-limit 1", &[]);
    assert_eq!(code, Some(3));
    let lines = lines(&screen);
    let words = |line: &String| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let rows: Vec<_> = lines.iter().map(words).collect();
    for row in [&["PHASE", "TIME", "LIMIT"][..], &["OUTPUT", "SIZE", "STATE"]] {
        assert!(rows.iter().any(|found| found == row), "{row:?}: {screen}");
    }
    assert!(rows.iter().any(|row| row.first().is_some_and(|word| word == "execute")), "{screen}");
    assert!(rows.contains(&words(&"good.txt 4 B collected".into())), "{screen}");
    let failed =
        lines.iter().position(|line| line.contains("collecting was stopped within this file"));
    let good = lines.iter().position(|line| line.starts_with("good.txt"));
    assert!(failed.unwrap() < good.unwrap(), "what is missing comes first: {screen}");
    assert!(lines.iter().all(|line| line.chars().count() <= 100), "{screen}");
}

/// What is long is cut, so that each column can be seen.
#[test]
fn tables_fit() {
    let name = "n".repeat(120);
    let data = format!(r#"{{"files":[{{"path":"{name}","bytes":4}}]}}"#);
    let lines = shown(&format!("run delivers --data {data}"), 80);
    let row = lines.iter().find(|line| line.starts_with("nnn")).unwrap();
    assert!(row.ends_with("…   4 B  collected"), "{lines:#?}");
    assert_eq!(row.chars().count(), 80);
    let (_, written) = {
        let sandbox = new_sandbox();
        at_terminal(sandbox.command(&["list"]), 80)
    };
    let jobs: Vec<String> = written.lines().map(str::to_owned).collect();
    assert!(jobs.iter().all(|line| line.chars().count() <= 80), "{jobs:#?}");
    assert!(jobs.iter().any(|line| line.contains('…')), "{jobs:#?}");
    // What programs read is whole.
    assert!(!new_sandbox().run("list").stdout.contains('…'));
}

/// A file name cannot control the terminal.
#[test]
fn names_are_escaped() {
    let (_, screen) = run("run writes_everything", &[]);
    assert!(plain(&screen).contains("two\\nlines"), "{screen:?}");
}

fn has_colours(screen: &str) -> bool {
    // A colour or another style: digits and semicolons, then `m`.
    screen.split("\u{1b}[").skip(1).any(|rest| {
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        rest.starts_with('m')
    })
}

#[test]
fn colours() {
    for arguments in ["run fails", "run nothing", "run --wrong", "run echo --set epochs=1"] {
        let (_, screen) = run(arguments, &[]);
        assert!(has_colours(&screen), "{arguments}: {screen:?}");
        let (_, screen) = run(arguments, &[("NO_COLOR", "1")]);
        assert!(!has_colours(&screen), "{arguments}: {screen:?}");
        let (_, screen) = run(arguments, &[("TERM", "dumb")]);
        assert!(!screen.contains('\u{1b}'), "{arguments}: {screen:?}");
    }
}

#[test]
fn no_colours_in_help() {
    let (_, screen) = run("--help", &[("NO_COLOR", "1")]);
    assert!(!screen.contains('\u{1b}'), "{screen:?}");
}

/// Without a bar there are lines of progress.
#[test]
fn dumb_terminal() {
    let (_, screen) = run("run reports_progress", &[("TERM", "dumb")]);
    assert!(screen.contains("progress: 100% step 100"), "{screen:?}");
}

/// The outcome is one line of JSON at a terminal, too.
#[test]
fn json() {
    let (code, screen) = run("run echo --set epochs=1 --json", &[]);
    assert_eq!(code, Some(0));
    let lines = lines(&screen);
    let outcomes = lines.iter().filter(|line| line.starts_with("{\"run_id\":"));
    let outcomes: Vec<_> =
        outcomes.map(|line| serde_json::from_str::<chutes::Outcome>(line).unwrap()).collect();
    assert_eq!(outcomes.len(), 1, "{screen:?}");
}
