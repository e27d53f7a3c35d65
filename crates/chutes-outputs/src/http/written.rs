//! Whether the output files that a sink is for were there to be sent.

use std::collections::HashMap;

use chutes_core::{FileState, Manifest, OutputPath};
use chutes_transfer::TransferError;

/// How many missing files are named in a message.
const NAMED: usize = 5;

/// A file that a sink is for.
pub(super) struct Wanted<'a> {
    pub(super) path: &'a OutputPath,
    /// How it is shown, without control characters.
    pub(super) name: String,
    /// Where it goes, if that is shown too.
    pub(super) goes_to: Option<String>,
}

/// Names the wanted files that were not there to be sent.
pub(super) fn all_were_written<'a>(
    wanted: impl Iterator<Item = Wanted<'a>>,
    manifest: &Manifest,
) -> Result<(), TransferError> {
    let files = manifest.files.iter();
    let states: HashMap<_, _> = files.map(|file| (&file.path, &file.state)).collect();
    let problem = |file: Wanted<'a>| file.problem(states.get(file.path).copied());
    let mut problems: Vec<_> = wanted.filter_map(problem).collect();
    if problems.is_empty() {
        return Ok(());
    }
    let more = problems.len().saturating_sub(NAMED);
    problems.truncate(NAMED);
    if more > 0 {
        problems.push(format!("and {more} more"));
    }
    Err(TransferError::permanent(problems.join("; ")))
}

impl Wanted<'_> {
    /// Why the file was not there, if it was not.
    fn problem(&self, state: Option<&FileState>) -> Option<String> {
        let name = &self.name;
        let place = self.goes_to.as_ref().map(|place| format!(", which goes to {place}"));
        let place = place.unwrap_or_default();
        match state {
            Some(FileState::Collected { .. }) => None,
            Some(FileState::Failed { reason } | FileState::Skipped { reason }) => {
                let comma = if place.is_empty() { "" } else { "," };
                Some(format!("`{name}`{place}{comma} was not collected: {reason}"))
            }
            None => Some(format!("the job did not write `{name}`{place}")),
        }
    }
}
