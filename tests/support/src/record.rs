//! What a run leaves behind: its outcome must be the same everywhere, and its manifest true.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use chutes_core::{FileState, Manifest, Outcome, OutputFile};
use sha2::{Digest, Sha256};

use crate::run::Finished;

/// Larger files are not read again.
const CHECKED_BYTES: u64 = 64 * 1024 * 1024;

impl Finished {
    /// The outcome that `--json` printed. It must be the whole of standard output, fit the exit
    /// code, and agree with everything in the directory of the run.
    #[track_caller]
    pub fn outcome(&self) -> Outcome {
        let outcome = self.printed_outcome();
        check_directory(&outcome);
        outcome
    }

    /// The outcome of a run that is in order now, as `recover --json` printed it: exit code 0, however the run ended.
    /// It must agree with everything in the directory of the run.
    #[track_caller]
    pub fn recovered_outcome(&self) -> Outcome {
        let outcome = self.recovered_with(0);
        check_directory(&outcome);
        outcome
    }

    /// The outcome that `recover --json` printed, with this exit code, without a look at the directory.
    #[track_caller]
    pub fn recovered_with(&self, code: i32) -> Outcome {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self.only_line()
    }

    /// The same without a look at the directory, which is not there any more.
    #[track_caller]
    pub fn printed_outcome(&self) -> Outcome {
        let outcome = self.only_line();
        assert_eq!(self.code, Some(outcome.exit_code().get().into()), "{self:#?}");
        outcome
    }

    #[track_caller]
    fn only_line(&self) -> Outcome {
        let Some((line, "")) = self.stdout.split_once('\n') else {
            panic!("standard output is not one line: {self:#?}");
        };
        let outcome: Outcome = serde_json::from_str(line).unwrap();
        assert!(Path::new(&outcome.run_dir).is_absolute());
        outcome
    }
}

#[track_caller]
fn check_directory(outcome: &Outcome) {
    let root = Path::new(&outcome.run_dir);
    assert_eq!(journalled_outcome(root), *outcome);
    if root.join("run.jsonl").exists() {
        let file = std::fs::read(root.join("outcome.json")).unwrap();
        assert_eq!(serde_json::from_slice::<Outcome>(&file).unwrap(), *outcome);
    }
    let manifest = std::fs::read(root.join("manifest.json")).unwrap();
    let manifest: Manifest = serde_json::from_slice(&manifest).unwrap();
    let (files, logs) = (outcome.outputs.clone(), outcome.logs.clone());
    let artifacts = outcome.artifacts.clone();
    assert_eq!(manifest, Manifest { run_id: outcome.run_id, files, logs, artifacts });
    check_files(root, outcome);
}

/// The outcome at the end of `run.jsonl`, and nowhere else in it.
#[track_caller]
fn journalled_outcome(root: &Path) -> Outcome {
    let mut records = journal(root);
    assert!(records[0]["run"]["id"].is_string() && records[0]["run"]["spec"].is_object());
    assert!(records.iter().all(|record| record["at"].as_str().unwrap().ends_with('Z')));
    let outcomes = records.iter().filter(|record| record.get("outcome").is_some()).count();
    assert_eq!(outcomes, 1, "{records:#?}");
    serde_json::from_value(records.pop().unwrap()["outcome"].take()).unwrap()
}

/// The lines of `run.jsonl`, or of the log of a run of version 0.1.0.
pub fn journal(root: &Path) -> Vec<serde_json::Value> {
    let old = std::fs::read_to_string(root.join("run.json"));
    let text = old.or_else(|_| std::fs::read_to_string(root.join("run.jsonl"))).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The changes of status in `run.jsonl`.
pub fn statuses(root: &Path) -> Vec<String> {
    let records = journal(root);
    let statuses = records.iter().filter_map(|record| record.get("status")?.as_str());
    statuses.map(String::from).collect()
}

/// Each file that is said to be collected has this size and this checksum.
#[track_caller]
fn check_files(root: &Path, outcome: &Outcome) {
    let outputs = outcome.outputs.iter().map(|file| ("outputs", file));
    let logs = outcome.logs.iter().map(|file| ("logs", file));
    let artifacts = outcome.artifacts.iter().map(|file| ("artifacts", file));
    for (folder, file) in outputs.chain(logs).chain(artifacts) {
        let FileState::Collected { bytes, sha256 } = &file.state else { continue };
        let path = root.join(folder).join(OsStr::from_bytes(file.path.as_bytes()));
        let metadata = path.symlink_metadata().unwrap();
        assert!(metadata.is_file() && metadata.len() == *bytes, "{file:?}");
        if *bytes <= CHECKED_BYTES {
            let content = std::fs::read(&path).unwrap();
            assert_eq!(Sha256::digest(&content)[..], sha256.as_bytes()[..], "{file:?}");
        }
    }
}

/// The names of the files that were collected, sorted.
pub fn collected(outcome: &Outcome) -> Vec<&str> {
    let is_collected = |state: &FileState| matches!(state, FileState::Collected { .. });
    let files = outcome.outputs.iter().filter(|file| is_collected(&file.state));
    files.map(shown).collect()
}

/// The path of a file, which the jobs of these tests have as text unless they say otherwise.
fn shown(file: &OutputFile) -> &str {
    file.path.as_str().unwrap_or("(not text)")
}

/// The files that were not collected, with the reason.
pub fn not_collected(outcome: &Outcome) -> Vec<(&str, &str)> {
    let files = outcome.outputs.iter().filter_map(|file| match &file.state {
        FileState::Failed { reason } | FileState::Skipped { reason } => {
            Some((shown(file), reason.as_str()))
        }
        FileState::Collected { .. } => None,
    });
    files.collect()
}
