//! The arguments of `recover`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::volumes::AddressArguments;

const EXIT_CODES: &str = "\
Exit codes: that of the run, as for `run`, but
  0    also when a run lacked nothing but deliveries, and they have been made now
  2    also when the run is in progress, or there is no run
  4    also when nothing can be known or done about the run
Of several runs, the first code that is not 0; runs in progress are left alone.";

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
