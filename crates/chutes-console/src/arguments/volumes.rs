//! The arguments that say how input volumes are fetched, and which addresses a spec may name.

use std::path::PathBuf;

use chutes_core::{AddressRange, CacheRequest, RunRequest};
use clap::{Args, ValueHint};

/// How input volumes are fetched.
#[derive(Clone, Debug, Default, Args)]
pub struct VolumeArguments {
    /// Where fetched files are kept for later runs
    /// [default: `$XDG_CACHE_HOME/chutes`, or `~/.cache/chutes`]
    #[arg(long, value_name = "DIR", env = "CHUTES_CACHE_DIR", value_hint = ValueHint::DirPath)]
    cache_dir: Option<PathBuf>,
    /// How much is kept there; what was not used for the longest time goes first [default: 20GiB]
    #[arg(long, value_name = "SIZE", value_parser = super::size)]
    cache_size: Option<u64>,
    /// Keep nothing, and take nothing from what was kept
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    addresses: AddressArguments,
}

/// Which addresses a spec may name.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AddressArguments {
    /// Let input volumes come from this address, or network as in `169.254.0.0/16`, and output volumes go
    /// there, although it is one that machines keep to themselves; may be given several times
    #[arg(long = "allow-address", value_name = "ADDRESS")]
    allow_addresses: Vec<AddressRange>,
}

impl AddressArguments {
    /// The addresses.
    pub(crate) fn ranges(&self) -> &[AddressRange] {
        &self.allow_addresses
    }
}

impl VolumeArguments {
    /// Puts them into a request: its cache, and its allowed addresses.
    pub fn apply(&self, request: &mut RunRequest) {
        let Self { cache_dir, cache_size, no_cache, addresses } = self;
        request.cache =
            CacheRequest { dir: cache_dir.clone(), size: *cache_size, enabled: !no_cache };
        request.allowed_addresses = addresses.ranges().to_vec();
    }
}
