//! The names of the files that have what a job printed.

use chutes_core::{LogStream, OutputPath};

/// Which stream a log is of, and which part of it: `stdout.log` is the first part, the others have
/// numbers. `None` for a file that is not what the job printed.
///
/// ```
/// use chutes_core::{LogStream, OutputPath};
/// use chutes_outputs::log_part;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// assert_eq!(log_part(&OutputPath::new("stdout.7.log")?), Some((LogStream::Stdout, 7)));
/// assert_eq!(log_part(&OutputPath::new("trace.log")?), None);
/// # Ok(()) }
/// ```
#[must_use]
pub fn log_part(path: &OutputPath) -> Option<(LogStream, u64)> {
    let name = path.as_str()?.strip_suffix(".log")?;
    [(LogStream::Stdout, "stdout"), (LogStream::Stderr, "stderr")].into_iter().find_map(
        |(stream, stem)| match name.strip_prefix(stem)? {
            "" => Some((stream, 0)),
            number => Some((stream, number.strip_prefix('.')?.parse().ok()?)),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_what_was_printed() {
        for (path, expected) in [
            ("stdout.log", Some((LogStream::Stdout, 0))),
            ("stdout.12.log", Some((LogStream::Stdout, 12))),
            ("stderr.2.log", Some((LogStream::Stderr, 2))),
            ("stdout", None),
            ("stdout.x.log", None),
            ("stdoutx.log", None),
            ("a/stdout.log", None),
        ] {
            assert_eq!(log_part(&OutputPath::new(path).unwrap()), expected, "{path}");
        }
    }
}
