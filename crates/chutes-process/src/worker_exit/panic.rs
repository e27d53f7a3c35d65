//! The panic that ended a process whose panics abort it (`panic = "abort"`), from what the standard library printed.

/// What is between the name of the thread and the place.
const PANICKED: &str = " panicked at ";

/// What ends the message.
const NOTE: &str = "note: ";
const BACKTRACE: &str = "stack backtrace:";

/// What says that another fault followed the panic.
const ANOTHER_FAULT: [&str; 2] = ["caused non-unwinding panic", "panicked while processing panic"];

/// A panic in the words of the standard library.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PrintedPanic<'a> {
    /// `file:line:column`.
    pub(super) location: &'a str,
    pub(super) message: String,
}

impl<'a> PrintedPanic<'a> {
    /// The panic at the very end of what was printed. After anything else the process may have aborted for another
    /// reason: panics of a program that unwinds are printed, too.
    pub(super) fn at_the_end_of(printed: &'a str) -> Option<Self> {
        let lines: Vec<&str> = printed.lines().collect();
        let begin = lines.iter().rposition(|line| location(line).is_some())?;
        let location = location(lines[begin])?;
        let rest = &lines[begin + 1..];
        if rest.iter().any(|line| ANOTHER_FAULT.iter().any(|fault| line.contains(fault))) {
            return None;
        }
        let is_end = |line: &&str| line.starts_with(NOTE) || *line == BACKTRACE;
        let end = rest.iter().position(is_end).unwrap_or(rest.len());
        let (message, after) = rest.split_at(end);
        after
            .iter()
            .all(|line| belongs_to_a_backtrace(line))
            .then(|| Self { location, message: message.join("\n").trim_end().to_owned() })
    }
}

/// The place in a line such as `thread 'job' (7) panicked at src/job.rs:3:5:`.
fn location(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("thread ")?;
    rest.split_once(PANICKED)?.1.strip_suffix(':')
}

fn belongs_to_a_backtrace(line: &str) -> bool {
    let text = line.trim_start();
    let is_frame = text.split_once(": ").is_some_and(|(number, _)| number.parse::<u32>().is_ok());
    text.is_empty()
        || is_frame
        || text.starts_with("at ")
        || text.starts_with(NOTE)
        || text == BACKTRACE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(printed: &str, expected: Option<(&str, &str)>) {
        let found = PrintedPanic::at_the_end_of(printed);
        let found = found.as_ref().map(|panic| (panic.location, &*panic.message));
        assert_eq!(found, expected, "{printed}");
    }

    #[test]
    fn panics_that_abort() {
        const NOTE: &str =
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n";
        let head = "ready\n\nthread 'job' (7) panicked at src/job.rs:3:5:\n";
        check(&format!("{head}one\ntwo\n{NOTE}"), Some(("src/job.rs:3:5", "one\ntwo")));
        check(&format!("{head}one"), Some(("src/job.rs:3:5", "one")));
        let backtrace = "stack backtrace:\n   0: __rustc::rust_begin_unwind\n             at /rustc/a.rs:1:2\n\
            note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.\n";
        check(&format!("{head}one\n{backtrace}"), Some(("src/job.rs:3:5", "one")));
        let full = "stack backtrace:\n   0:     0x563dc0b03bba - std[e2]::backtrace_rs::trace\n                               at \
            /rustc/5/library/std/mod.rs:66:14\n  97:                0x0 - <unknown>\n";
        check(&format!("{head}one\n{full}"), Some(("src/job.rs:3:5", "one")));
        // The last one counts.
        let first = "thread '<unnamed>' panicked at a.rs:1:1:\nfirst\n";
        check(&format!("{first}{NOTE}{head}one\n{NOTE}"), Some(("src/job.rs:3:5", "one")));
    }

    #[test]
    fn other_ends() {
        let panic = "thread 'job' (7) panicked at src/job.rs:3:5:\none\nnote: run with it\n";
        check("", None);
        check("panicked at src/job.rs:3:5:\n", None);
        check(&format!("{panic}going on\n"), None);
        check(&format!("{panic}thread caused non-unwinding panic. aborting.\n"), None);
        check(&format!("{panic}terminate called after throwing an instance\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(thread |panicked at |:|\n|note: |a|0){0,20}") {
            let _ = PrintedPanic::at_the_end_of(&text);
        }
    }
}
