//! The arguments of `recover`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::volumes::AddressArguments;

const EXIT_CODES: &str = "\
Exit codes, which say whether the runs are in order now, not how they ended:
  0    all are in order
  2    the run is in progress, or there is no run
  3    files could not be collected or delivered
  4    a run could not be recovered
Of several runs, the highest of these codes; runs in progress are left alone.";

/// The arguments of [`recover`](crate::recover()).
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct RecoverArguments {
    /// The directory of a run, or one with the directories of runs
    #[arg(value_name = "DIR", default_value = "runs", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    /// Print each outcome as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) addresses: AddressArguments,
}
