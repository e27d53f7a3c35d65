//! Words for how a run stands, and for times.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use chutes_core::{Escaped, Target};
use chutes_supervisor::inspect::RunView;

/// The state of a run in one word, in JSON.
pub(super) fn state(run: &RunView) -> &'static str {
    match run.outcome {
        Some(_) => "ended",
        None if run.is_supervised => "running",
        None => "interrupted",
    }
}

/// How a run without an outcome stands: the phase that it is in.
pub(super) fn progress_words(run: &RunView) -> String {
    match &run.phase {
        _ if run.is_lost() => "interrupted".to_owned(),
        Some(phase) => format!("running: {}", phase.phase),
        None => "running".to_owned(),
    }
}

/// The name of what a run runs.
pub(super) fn target_name(target: &Target) -> String {
    match target {
        Target::Job(job) => Escaped(&job.to_string()).to_string(),
        Target::Image(image) => Escaped(&image.to_string()).to_string(),
    }
}

/// The time since then, in its largest unit.
pub(super) fn age(since: SystemTime, now: SystemTime) -> String {
    let seconds = elapsed(since, now).as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// The time since then. A clock that was set back shows none.
pub(super) fn elapsed(since: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(since).unwrap_or_default()
}

/// The text without characters that control the terminal, but with its lines.
pub(super) fn escaped_lines(text: &str) -> String {
    text.lines().fold(String::with_capacity(text.len()), |mut escaped, line| {
        let _ = writeln!(escaped, "{}", Escaped(line));
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let since = SystemTime::UNIX_EPOCH;
        for (seconds, expected) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (3_600, "1h"),
            (172_799, "47h"),
            (172_800, "2d"),
        ] {
            assert_eq!(age(since, since + Duration::from_secs(seconds)), expected);
        }
        assert_eq!(age(since + Duration::from_secs(5), since), "0s");
    }

    #[test]
    fn lines_are_kept() {
        assert_eq!(escaped_lines("a\n\u{1b}[2J b\n"), "a\n\\u{1b}[2J b\n");
    }
}
