//! Which job the arguments name, before they can be parsed: its data decides which options there are.

use std::ffi::OsString;

use clap::{Args, Command};

use crate::command_line::arguments;

/// The word behind `run` that names the job: the first that is neither an option of `run` nor the value of one. Behind
/// another option, which may have a value, it is the first that is the name of a job. The words are those after the name
/// of the program.
pub(crate) fn job_word(
    words: impl IntoIterator<Item = OsString>,
    is_job: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut words = words.into_iter();
    words.next().filter(|word| word == "run")?;
    let command = arguments::Run::augment_args(Command::new("run"));
    let (mut is_certain, mut first) = (true, None);
    while let Some(word) = words.next() {
        let Some(word) = word.to_str() else { continue };
        match word {
            "--" => return words.next()?.into_string().ok(),
            option if option.len() > 1 && option.starts_with('-') => {
                match value_of(&command, option) {
                    Value::Next => drop(words.next()),
                    Value::None => {}
                    Value::Unknown => is_certain = false,
                }
            }
            name if is_certain || is_job(name) => return Some(name.to_owned()),
            name => first = first.or(Some(name.to_owned())),
        }
    }
    first
}

/// Where the value of an option is.
enum Value {
    /// It is the next word.
    Next,
    /// It has none, or it is in the same word.
    None,
    /// The option is not one of `run`.
    Unknown,
}

fn value_of(command: &Command, option: &str) -> Value {
    let (option, has_value) = match option.split_once('=') {
        Some((option, _)) => (option, true),
        None => (option, false),
    };
    if ["-h", "--help"].contains(&option) {
        return Value::None;
    }
    let name = option.strip_prefix("--");
    let found =
        command.get_arguments().find(|argument| name.is_some() && argument.get_long() == name);
    match found {
        None => Value::Unknown,
        Some(argument) if argument.get_action().takes_values() && !has_value => Value::Next,
        Some(_) => Value::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_of_the_arguments() {
        for (words, expected) in [
            ("run echo", Some("echo")),
            ("run echo --epochs 3 other", Some("echo")),
            ("run --set epochs=3 --json --data {} echo", Some("echo")),
            ("run --set=epochs=3 --run-dir=x echo", Some("echo")),
            ("run --detach -- --json", Some("--json")),
            ("run --epochs 3 echo", Some("echo")),
            ("run --epochs=3 --json eco", Some("eco")),
            ("run --epochs 3 eco", Some("3")),
            ("run --verbose other echo", Some("echo")),
            ("run --request x", None),
            ("run --help", None),
            ("run", None),
            ("list echo", None),
            ("", None),
        ] {
            let words_of = words.split_whitespace().map(OsString::from);
            let found = job_word(words_of, |name| name == "echo");
            assert_eq!(found.as_deref(), expected, "{words}");
        }
    }
}
