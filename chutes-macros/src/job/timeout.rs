//! The argument `timeout`: a number of seconds, or a duration such as `"1h 30m"`.

use chutes_rules::{Escaped, TimeLimit, TimeLimitError, parse_duration};
use proc_macro2::TokenStream;
use syn::{Lit, LitInt, LitStr};

use crate::diagnostics::Problem;
use crate::literal;

const RANGE: &str = "a timeout is between 30 and 86_400 seconds (24 hours)";

const NO_LIMIT: &str = "leave `timeout` out for a job without a time limit";

/// Reads the value.
pub(super) fn read(value: &TokenStream) -> Result<TimeLimit, Problem> {
    match literal::literal(value) {
        Some(Lit::Int(seconds)) => from_seconds(value, &seconds),
        Some(Lit::Str(text)) => from_duration(value, &text),
        _ => Err(not_a_time(value)),
    }
}

fn from_seconds(value: &TokenStream, seconds: &LitInt) -> Result<TimeLimit, Problem> {
    if !literal::has_plain_suffix(seconds) {
        return Err(not_a_time(value));
    }
    let Ok(number) = seconds.base10_parse::<u64>() else {
        // Less than zero, or more than 64 bits.
        let digits = seconds.base10_digits();
        let message = format!("timeout of {digits} seconds is out of range");
        let help = (!digits.starts_with('-')).then(|| NO_LIMIT.to_owned());
        return Err(Problem::new(value, message).note(RANGE).maybe_help(help));
    };
    TimeLimit::from_seconds(number).map_err(|error| out_of_range(value, error))
}

fn from_duration(value: &TokenStream, text: &LitStr) -> Result<TimeLimit, Problem> {
    let seconds = parse_duration(&text.value()).map_err(|error| {
        Problem::new(value, format!("invalid duration `{}`", Escaped(&text.value())))
            .note(error.to_string())
            .help("write, for example, `timeout = \"1h 30m\"`")
    })?;
    TimeLimit::from_seconds(seconds).map_err(|error| out_of_range(value, error))
}

fn out_of_range(value: &TokenStream, error: TimeLimitError) -> Problem {
    let help = error.is_too_long().then(|| NO_LIMIT.to_owned());
    Problem::new(value, error.to_string()).note(RANGE).maybe_help(help)
}

fn not_a_time(value: &TokenStream) -> Problem {
    let text = literal::ungroup(value.clone()).to_string();
    let help = if text == "None" {
        NO_LIMIT.to_owned()
    } else if parse_duration(&text).is_ok() {
        format!("write `timeout = \"{text}\"`")
    } else {
        "write a literal, for example `timeout = 3_600` or `timeout = \"1h\"` for one hour"
            .to_owned()
    };
    Problem::new(value, "argument `timeout` must be a whole number of seconds").help(help)
}
