//! What a command prints on standard output.

use std::io::{self, Write};

use serde::Serialize;

use crate::problem::Problem;

/// Prints data on standard output. A reader that closes the pipe early (`list | head -1`) is no error.
///
/// # Errors
///
/// With exit code 4, when standard output cannot be written.
pub fn print(text: &str) -> Result<(), Problem> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Problem::platform(&error).hint("standard output cannot be written"))
        }
        _ => Ok(()),
    }
}

/// The value as one line of JSON, with its line feed.
///
/// ```
/// assert_eq!(chutes_console::json_line(&["a", "b"]).unwrap(), "[\"a\",\"b\"]\n");
/// ```
///
/// # Errors
///
/// With exit code 4, when the value has no JSON form.
pub fn json_line(value: &impl Serialize) -> Result<String, Problem> {
    let text = serde_json::to_string(value).map_err(|error| Problem::platform(&error))?;
    Ok(text + "\n")
}
