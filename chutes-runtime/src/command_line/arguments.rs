//! The command line as typed.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use chutes_core::parse_duration;
use clap::{Args, Parser, Subcommand, ValueHint};

/// Runs the jobs of this binary
#[derive(Debug, Parser)]
#[command(disable_version_flag = true, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    completed
  1    the job failed
  2    wrong command line or data; nothing was started
  3    the job finished, but not all of its outputs were collected and delivered
  4    the platform failed, not the job
  124  a time limit was reached
  130  cancelled";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the jobs of this binary
    List(List),
    /// Show the contract of a job: ports, limits, schemas
    Describe(Describe),
    /// Run a job
    Run(Run),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print one JSON array
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Describe {
    /// The job; all jobs when it is left out
    pub(super) job: Option<String>,
    /// Print JSON: one object, or an array when no job is named
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
#[expect(clippy::struct_field_names, reason = "the fields are named like their flags")]
pub(super) struct Run {
    /// The job
    pub(super) job: String,
    /// The data: JSON, or `@FILE`, or `-` for standard input [default: {}]
    #[arg(long, value_name = "JSON|@FILE|-", value_hint = ValueHint::FilePath)]
    pub(super) data: Option<String>,
    /// Set one field of the data, for instance `epochs=20` or `optimizer.rate=0.1`
    ///
    /// The value is JSON if it can be read as JSON and the field is not a text, else a text.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    pub(super) set: Vec<(String, String)>,
    /// The directory of the run: new, empty, or with nothing but `inputs/` in it
    /// [default: runs/JOB-ID]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) run_dir: Option<PathBuf>,
    /// Allow the job less time than it declares, for instance `1h 30m`
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    pub(super) time_limit: Option<Duration>,
    /// Time between asking the job to stop and stopping it by force [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) grace: Option<Duration>,
    /// The address on which the job opens its ports; `0.0.0.0` for all
    #[arg(long, value_name = "ADDRESS", env = "CHUTES_HOST", default_value = "127.0.0.1")]
    pub(super) host: IpAddr,
    /// Print the outcome as one line of JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() && key.split('.').all(|part| !part.is_empty()) => {
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

/// A duration with units, or a bare number of seconds as `timeout(1)` takes it.
fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().or_else(|_| parse_duration(text));
    seconds.map(Duration::from_secs).map_err(|error| error.to_string())
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    let duration = duration(text)?;
    if duration.is_zero() {
        Err("a time limit is at least 1 second".to_owned())
    } else {
        Ok(duration)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations() {
        for (text, expected) in
            [("90", Ok(90)), ("1h 30m", Ok(5_400)), ("1x", Err(())), ("", Err(())), ("-1", Err(()))]
        {
            let found = duration(text).map(|duration| duration.as_secs()).map_err(drop);
            assert_eq!(found, expected, "{text}");
        }
        assert!(positive_duration("0").is_err());
    }

    #[test]
    fn pairs() {
        for (text, expected) in [
            ("a=1", Some(("a", "1"))),
            ("a.b=x=y", Some(("a.b", "x=y"))),
            ("a=", Some(("a", ""))),
            ("=1", None),
            ("a", None),
            ("a..b=1", None),
        ] {
            let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
            assert_eq!(key_value(text).ok(), expected, "{text}");
        }
    }
}
