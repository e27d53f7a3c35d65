//! The steps: one list of what must hold before a commit, each with its exact commands.

use std::process::Command;

use anyhow::Result;
use clap::ValueEnum;

use super::{cfg_sites, direction, facade, features, package};
use crate::command::{self, cargo};
use crate::{metadata, readme};

/// A step of `cargo xtask test`; its comment is shown as its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// The source is formatted
    Fmt,
    /// No lint complains, in any target
    Clippy,
    /// The tests pass
    Nextest,
    /// The examples in the documentation pass
    Doctest,
    /// The documentation builds without a warning
    Doc,
    /// Published crates build without features, with each alone, with all, and with pairs that interact
    Features,
    /// The places in the code that depend on a feature are not more than allowed
    CfgSites,
    /// Our crates depend on each other in the right direction
    Direction,
    /// What `chutes` shows is chosen by name, and examples import no other crate of ours
    Facade,
    /// Who follows `README.md` in an empty folder has a job that runs
    Readme,
    /// Published crates can be packaged, and build from their packages
    Package,
    /// Licences, sources and versions of dependencies are those that `deny.toml` allows
    Deny,
}

impl Step {
    /// All steps in the order in which they run.
    pub(crate) const ALL: [Self; 12] = [
        Self::Fmt,
        Self::Clippy,
        Self::Nextest,
        Self::Doctest,
        Self::Doc,
        Self::Features,
        Self::CfgSites,
        Self::Direction,
        Self::Facade,
        Self::Readme,
        Self::Package,
        Self::Deny,
    ];

    /// The name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// What the step checks, in one line.
    pub(crate) fn purpose(self) -> String {
        let value = self.to_possible_value();
        value.and_then(|value| value.get_help().map(ToString::to_string)).unwrap_or_default()
    }

    /// The commands; none for a check that is part of this program.
    pub(crate) fn commands(self) -> Result<Vec<Command>> {
        let command = match self {
            Self::Fmt => cargo("fmt --all -- --check"),
            Self::Clippy => {
                cargo("clippy --workspace --all-targets --all-features --locked -- -D warnings")
            }
            // The tests start programs of other packages, which nothing else would build. With the
            // tests they are built once, as the dependencies have the same features.
            Self::Nextest => {
                let build = cargo("build --workspace --bins --tests --all-features --locked");
                let run = cargo("nextest run --workspace --all-features --locked");
                return Ok(vec![build, run]);
            }
            Self::Doctest => cargo("test --doc --workspace --all-features --locked"),
            Self::Doc => {
                let mut doc = cargo("doc --workspace --no-deps --all-features --locked");
                doc.env("RUSTDOCFLAGS", "-D warnings");
                doc
            }
            Self::Features => return features::commands(),
            Self::Readme => return readme::commands(),
            Self::Package => return package::commands(),
            Self::CfgSites | Self::Direction | Self::Facade => return Ok(Vec::new()),
            Self::Deny => cargo("deny --all-features check bans licenses sources"),
        };
        Ok(vec![command])
    }

    /// Runs the step.
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Features => features::run(),
            Self::CfgSites => cfg_sites::check(),
            Self::Direction => direction::check(&metadata::packages()?),
            Self::Facade => facade::check(),
            Self::Package => package::check(),
            Self::Readme => readme::check(),
            _ => self.commands()?.iter_mut().try_for_each(command::run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_run() {
        assert_eq!(Step::value_variants(), Step::ALL);
    }

    #[test]
    fn steps_say_what_they_do() {
        for step in Step::ALL {
            assert!(!step.name().is_empty() && !step.purpose().is_empty(), "{step:?}");
        }
    }
}
