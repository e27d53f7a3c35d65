//! The command line as typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use chutes_console::{
    AccessArguments, EXIT_CODES, RecoverArguments, ReportArguments, RequestArgument, RunsCommand,
    VolumeArguments, log_cap, memory_size,
};
use chutes_core::parse_duration;
use chutes_supervisor::logs::LogCap;
use clap::{ArgGroup, Args, Parser, Subcommand, ValueHint};

/// The version that a job binary knows of itself.
const VERSION: &str = concat!("(chutes ", env!("CARGO_PKG_VERSION"), ")");

/// Runs the jobs of this binary
#[derive(Debug, Parser)]
#[command(version = VERSION, subcommand_required = true, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the jobs of this binary
    List(List),
    /// Show the contract of a job: ports, limits, the fields of its data and its result
    Describe(Describe),
    /// Run a job
    Run(Box<Run>),
    /// Finish what interrupted runs have left: outcome, outputs, deliveries
    ///
    /// A run whose supervisor was ended (SIGKILL, a power cut) has no outcome. This ends what is left
    /// of its processes, collects its outputs, delivers them, and writes its one outcome: that of the
    /// job if it had ended, else `platform_failed`. A run that has its outcome keeps it; what could not
    /// be delivered is delivered now. Doing it again changes nothing.
    Recover(RecoverArguments),
    #[command(flatten)]
    Runs(RunsCommand),
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
    /// Print JSON, with the schemas: one object, or an array when no job is named
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
#[command(group = ArgGroup::new("what").required(true))]
#[expect(clippy::struct_field_names, reason = "the fields are named like their flags")]
pub(super) struct Run {
    /// The job; `run JOB --help` lists the options of its data
    #[arg(group = "what")]
    pub(super) job: Option<String>,
    #[command(flatten)]
    pub(super) request: RequestArgument,
    /// The data: JSON, or `@FILE`, or `-` for standard input [default: {}]
    #[arg(
        long,
        value_name = "JSON|@FILE|-",
        value_hint = ValueHint::FilePath,
        allow_negative_numbers = true,
        conflicts_with = "request"
    )]
    pub(super) data: Option<String>,
    /// A spec in JSON: a file, or `-` for standard input. It says data, limits, volumes, artifacts and
    /// where files go; the other arguments win over it
    #[arg(
        long,
        value_name = "FILE|-",
        value_hint = ValueHint::FilePath,
        conflicts_with_all = ["data", "request"]
    )]
    pub(super) spec: Option<String>,
    /// Set one field of the data, for instance `epochs=20` or `optimizer.rate=0.1`
    ///
    /// The value is JSON if it can be read as JSON and the field is not a text, else a text.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value, conflicts_with = "request")]
    pub(super) set: Vec<(String, String)>,
    /// The directory of the run: new, empty, or with nothing but `inputs/` in it
    /// [default: runs/JOB-ID]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "request")]
    pub(super) run_dir: Option<PathBuf>,
    /// Allow the job less time than it declares, for instance `1h 30m`
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, conflicts_with = "request")]
    pub(super) time_limit: Option<Duration>,
    /// Time between asking the job to stop and stopping it by force [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "request")]
    pub(super) grace: Option<Duration>,
    /// Time for starting: decoding the data and running the startup hooks [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, conflicts_with = "request")]
    pub(super) start_limit: Option<Duration>,
    /// Time for collecting and delivering the outputs [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = positive_duration, conflicts_with = "request")]
    pub(super) upload_limit: Option<Duration>,
    /// The memory that the job may use with everything that it starts, for instance `8GB` or `512MiB`
    #[arg(long, value_name = "SIZE", value_parser = memory_size, conflicts_with = "request")]
    pub(super) memory_limit: Option<u64>,
    /// How much is kept of each of the two streams that the job prints to [default: 256MiB]
    ///
    /// Of more than that, the beginning and the end are kept.
    #[arg(long, value_name = "SIZE", value_parser = log_cap, conflicts_with = "request")]
    pub(super) log_limit: Option<LogCap>,
    /// Deliver the outputs to this place, too; may be given several times
    ///
    /// A directory, `file:///DIR`, `s3://BUCKET/PREFIX`, `gs://…`, `az://…`; `FILE=https://…` puts one
    /// output file to a presigned URL; `NAME.zip` or `zip+URL` makes one zip of everything; JSON says
    /// all that there is to say (`{"url": …, "file": …, "method": "POST", "fields": {…}}`). `{job}` and
    /// `{run_id}` are replaced. `@FILE` reads such lines from a file that others cannot read.
    #[arg(
        long = "output",
        value_name = "URL|@FILE",
        env = "CHUTES_OUTPUT",
        hide_env_values = true
    )]
    pub(super) outputs: Vec<OsString>,
    /// Report to this address and deliver the outputs there, as the Chutes platform wants it
    #[arg(long, value_name = "URL|@FILE", env = "CHUTES_STATUS_URL", hide_env_values = true)]
    pub(super) status_url: Option<OsString>,
    /// Deliver finished output files while the job goes on
    #[arg(long, conflicts_with = "request")]
    pub(super) live: bool,
    #[command(flatten)]
    pub(super) volumes: VolumeArguments,
    #[command(flatten)]
    pub(super) access: AccessArguments,
    #[command(flatten)]
    pub(super) report: ReportArguments,
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
