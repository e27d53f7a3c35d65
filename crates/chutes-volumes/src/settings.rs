//! What a fetch may use: how much at a time, how large, from where, and with which cache.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use chutes_transfer::{AddressPolicy, RetryPolicy};

use super::VolumeError;
use super::hub::HubSettings;
use super::unpack::UnpackLimits;

/// The variable that sets how many times its size may come out of a zip file.
pub(crate) const RATIO_VARIABLE: &str = "CHUTES_MAX_ZIP_RATIO";

const GIB: u64 = 1024 * 1024 * 1024;

/// What a fetch may use.
#[derive(Debug)]
pub struct Settings {
    /// How many files are fetched at a time, over all volumes. Default 4.
    pub concurrency: usize,
    /// The largest file, in bytes. Default 64 GiB.
    pub max_file_bytes: u64,
    /// The size of everything that is fetched and unpacked, in bytes. Default 256 GiB.
    pub max_total_bytes: u64,
    /// What a zip file may contain.
    pub unpack: UnpackLimits,
    /// Where files are kept for later runs. Default that of the user, see [`CacheSettings`].
    pub cache: Option<CacheSettings>,
    /// Which addresses requests may go to. Default all but link-local ones and the like.
    pub addresses: AddressPolicy,
    /// Where the Hugging Face Hub is.
    pub hub: HubSettings,
    /// How often a request is made again, and how long a server may be silent. Default that of deliveries.
    pub retry: RetryPolicy,
}

impl Settings {
    /// The defaults, with what the environment says of the cache, the hub and zip files.
    pub fn from_environment() -> Result<Self, VolumeError> {
        Ok(Self {
            concurrency: 4,
            max_file_bytes: 64 * GIB,
            max_total_bytes: 256 * GIB,
            unpack: UnpackLimits::from_environment()?,
            cache: CacheSettings::from_environment(),
            addresses: AddressPolicy::default(),
            hub: HubSettings::from_environment()?,
            retry: RetryPolicy::default(),
        })
    }
}

impl UnpackLimits {
    /// The defaults, with what the environment says.
    pub(crate) fn from_environment() -> Result<Self, VolumeError> {
        unpack_limits(|name| env::var_os(name))
    }
}

/// The defaults, with the ratio that `CHUTES_MAX_ZIP_RATIO` names.
fn unpack_limits(variable: impl Fn(&str) -> Option<OsString>) -> Result<UnpackLimits, VolumeError> {
    let mut limits = UnpackLimits::default();
    if let Some(value) = variable(RATIO_VARIABLE).filter(|value| !value.is_empty()) {
        let ratio = value.to_str().and_then(|value| value.trim().parse().ok());
        limits.ratio = ratio.filter(|&ratio| ratio > 0).ok_or_else(|| {
            VolumeError::platform(format!("{RATIO_VARIABLE} is not a whole number above 0"))
        })?;
    }
    Ok(limits)
}

/// Where files are kept for later runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// The directory. Default `CHUTES_CACHE_DIR`, or `chutes` in `XDG_CACHE_HOME` or `~/.cache`.
    pub dir: PathBuf,
    /// How much is kept, in bytes: what was not used for the longest time goes first. Default 20 GiB.
    pub max_bytes: u64,
}

impl CacheSettings {
    /// A cache in this directory.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, max_bytes: 20 * GIB }
    }

    /// The cache of the user; `None` when the environment does not say where that is.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        Self::from_variables(|name| env::var_os(name).map(PathBuf::from))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<Self> {
        // A relative path in one of these is to be ignored.
        let absolute = |name| variable(name).filter(|path| path.is_absolute());
        let dir = variable("CHUTES_CACHE_DIR")
            .filter(|path| !path.as_os_str().is_empty())
            .or_else(|| Some(absolute("XDG_CACHE_HOME")?.join("chutes")))
            .or_else(|| Some(absolute("HOME")?.join(".cache/chutes")))?;
        Some(Self::new(dir))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use backon::ExponentialBuilder;
    use url::Url;

    use super::*;

    /// Four attempts without pauses, and no cache.
    pub(crate) fn settings() -> Settings {
        let delays = ExponentialBuilder::new().with_min_delay(Duration::ZERO).with_max_times(3);
        let hub = HubSettings { endpoint: Url::parse("http://127.0.0.1:9").unwrap(), token: None };
        let retry = RetryPolicy { delays, random: || 0.0, ..RetryPolicy::default() };
        Settings { cache: None, hub, retry, ..Settings::from_environment().unwrap() }
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Option<&str>) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| PathBuf::from(value))
        };
        let settings = CacheSettings::from_variables(variable);
        assert_eq!(settings, expected.map(|dir| CacheSettings::new(dir.into())));
    }

    #[test]
    fn the_ratio_of_zip_files_can_be_set() {
        let ratio = |value: Option<&str>| {
            unpack_limits(|name| value.filter(|_| name == RATIO_VARIABLE).map(OsString::from))
                .map(|limits| limits.ratio)
                .ok()
        };
        for (value, expected) in [
            (None, Some(500)),
            (Some(""), Some(500)),
            (Some("2000"), Some(2000)),
            (Some(" 7 "), Some(7)),
            (Some("0"), None),
            (Some("-1"), None),
            (Some("many"), None),
        ] {
            assert_eq!(ratio(value), expected, "{value:?}");
        }
    }

    #[test]
    fn where_the_cache_is() {
        let all = [("CHUTES_CACHE_DIR", "/a"), ("XDG_CACHE_HOME", "/b"), ("HOME", "/c")];
        check(&all, Some("/a"));
        check(&all[1..], Some("/b/chutes"));
        check(&all[2..], Some("/c/.cache/chutes"));
        check(&[("CHUTES_CACHE_DIR", ""), ("HOME", "/c")], Some("/c/.cache/chutes"));
        check(&[("CHUTES_CACHE_DIR", "relative"), ("HOME", "/c")], Some("relative"));
        check(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/c")], Some("/c/.cache/chutes"));
        check(&[], None);
    }
}
