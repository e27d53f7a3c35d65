//! Specs on the command line: where they are read from, and how their volumes are fetched.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use chutes_compute_horde::{CLASSES, read_spec};
use chutes_core::{AddressRange, CacheRequest, JobSpec};
use clap::{Args, ValueHint};

use super::input::bounded;
use super::problem::Problem;

/// The longest spec that is read, in MiB: inline volumes are part of it.
const MAX_MIB: u64 = 256;

/// What is read, in messages.
const WHAT: &str = "the spec";

/// How input volumes are fetched.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct VolumeArguments {
    /// Where fetched files are kept for later runs
    /// [default: `$XDG_CACHE_HOME/chutes`, or `~/.cache/chutes`]
    #[arg(long, value_name = "DIR", env = "CHUTES_CACHE_DIR", value_hint = ValueHint::DirPath)]
    cache_dir: Option<PathBuf>,
    /// How much is kept there; what was not used for the longest time goes first [default: 20GiB]
    #[arg(long, value_name = "SIZE", value_parser = super::arguments::size)]
    cache_size: Option<u64>,
    /// Keep nothing, and take nothing from what was kept
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    pub(super) addresses: AddressArguments,
}

/// Which addresses a spec may name.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct AddressArguments {
    /// Let input volumes come from this address, or network as in `169.254.0.0/16`, and output volumes go
    /// there, although it is one that machines keep to themselves; may be given several times
    #[arg(long = "allow-address", value_name = "ADDRESS")]
    allow_addresses: Vec<AddressRange>,
}

impl AddressArguments {
    /// The addresses.
    pub(super) fn ranges(&self) -> Vec<AddressRange> {
        self.allow_addresses.clone()
    }
}

impl VolumeArguments {
    /// The cache that they ask for.
    pub(super) fn cache(&self) -> CacheRequest {
        CacheRequest { dir: self.cache_dir.clone(), size: self.cache_size, enabled: !self.no_cache }
    }
}

/// Reads a spec from a file, or from standard input (`-`), in our own form or in that of the
/// ComputeHorde API.
pub(super) fn read(from: &str) -> Result<JobSpec, Problem> {
    let text = text(from)?;
    read_spec(&text, &CLASSES).map_err(|errors| {
        let problems = errors.problems.iter().map(ToString::to_string).collect();
        Problem::several(format!("the spec in {} is not in order", name(from)), problems)
    })
}

/// The text of a spec.
fn text(from: &str) -> Result<String, Problem> {
    let name = name(from);
    if from == "-" {
        return bounded(io::stdin().lock(), WHAT, &name, MAX_MIB);
    }
    let file = File::open(from)
        .map_err(|error| Problem::wrong(format!("cannot read {WHAT} from {name}: {error}")))?;
    bounded(file, WHAT, &name, MAX_MIB)
}

fn name(from: &str) -> String {
    if from == "-" { "standard input".to_owned() } else { format!("`{from}`") }
}
