//! The arguments that say what is shown and written of a run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::events::EventTarget;

/// What is shown and written of a run.
#[derive(Clone, Debug, Default, Args)]
pub struct ReportArguments {
    /// Write everything that happens to this file, one JSON object per line
    #[arg(long, value_name = "FILE|fd:N", value_parser = EventTarget::parse, value_hint = ValueHint::FilePath)]
    pub(crate) events: Option<EventTarget>,
    /// Write what the run returns to this file: what it printed, its artifacts, the answers to its uploads
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) result: Option<PathBuf>,
    /// Print the outcome as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Return when the run is accepted, and let it go on without this terminal
    ///
    /// Its id and its directory are printed. `attach`, `logs`, `stats` and `cancel` find it by them.
    #[arg(long)]
    pub(crate) detach: bool,
    /// This process is the supervisor of a run that was detached
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) detached: bool,
}

impl ReportArguments {
    /// The same arguments for another program that takes them and has inherited the descriptors of this one.
    ///
    /// ```
    /// use chutes_console::ReportArguments;
    /// use clap::Parser;
    ///
    /// #[derive(Parser)]
    /// struct Arguments {
    ///     #[command(flatten)]
    ///     report: ReportArguments,
    /// }
    ///
    /// let Arguments { report } = Arguments::parse_from(["run", "--json", "--events=fd:3"]);
    /// assert_eq!(report.to_arguments(), ["--events", "/dev/fd/3", "--json"]);
    /// ```
    #[must_use]
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        if let Some(events) = &self.events {
            arguments.extend(["--events".into(), events.path().into()]);
        }
        if let Some(result) = &self.result {
            arguments.extend(["--result".into(), result.into()]);
        }
        if self.json {
            arguments.push("--json".into());
        }
        if self.detach {
            arguments.push("--detach".into());
        }
        arguments
    }

    /// The option, if there is one, whose file is a descriptor with which this process was started.
    pub(crate) fn inherited(&self) -> Option<&'static str> {
        let is_inherited = |path: &Path| {
            ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/proc/self/fd"]
                .iter()
                .any(|inherited| path.starts_with(inherited))
        };
        if self.events.as_ref().is_some_and(|events| is_inherited(events.path())) {
            return Some("--events");
        }
        self.result.as_deref().is_some_and(is_inherited).then_some("--result")
    }
}
