//! The names of files at the platform, which has one namespace for outputs and logs.
//!
//! An output always has its path as its name. The SDK of the platform puts the log at `_chute.log`, where it
//! replaces an output of that name; here the log gives way and is called `_chute-1.log` then. Standard
//! error is `_chute.stderr.log`. Names depend on nothing but the manifest, so that a run that is
//! recovered finds the same ones. Artifacts have none: the platform has no place for them.

use std::collections::{HashMap, HashSet};

use chutes_core::{FileKind, FileState, LogStream, Manifest, OutputFile, OutputPath};

/// The names of all files of a run that can be sent.
pub(super) struct Names {
    all: Vec<String>,
    by_path: HashMap<(FileKind, OutputPath), usize>,
}

impl Names {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let mut taken = HashSet::new();
        let mut names = Self { all: Vec::new(), by_path: HashMap::new() };
        // A path that is text keeps its name; one that is not is shown in percent-encoding, which may
        // be the name of another file.
        let (texts, others): (Vec<_>, Vec<_>) =
            collected(&manifest.files).partition(|path| path.as_str().is_some());
        for path in texts.into_iter().chain(others) {
            names.add(FileKind::Output, path, free(path.to_string(), &mut taken));
        }
        for path in collected(&manifest.logs) {
            names.add(FileKind::Log, path, free(log_name(path), &mut taken));
        }
        names
    }

    fn add(&mut self, kind: FileKind, path: &OutputPath, name: String) {
        self.by_path.insert((kind, path.clone()), self.all.len());
        self.all.push(name);
    }

    /// All names.
    pub(super) fn all(&self) -> &[String] {
        &self.all
    }

    /// The name of a file.
    pub(super) fn get(&self, kind: FileKind, path: &OutputPath) -> Option<&str> {
        let index = self.by_path.get(&(kind, path.clone()))?;
        self.all.get(*index).map(String::as_str)
    }
}

fn collected(files: &[OutputFile]) -> impl Iterator<Item = &OutputPath> {
    let is_collected = |file: &&OutputFile| matches!(file.state, FileState::Collected { .. });
    files.iter().filter(is_collected).map(|file| &file.path)
}

fn log_name(path: &OutputPath) -> String {
    if *path == LogStream::Stdout.file_name() {
        return "_chute.log".into();
    }
    format!("_chute.{path}")
}

/// The name, or the next one that is free: `-1`, `-2` before its ending.
fn free(name: String, taken: &mut HashSet<String>) -> String {
    let (stem, ending) = match name.rfind('.') {
        Some(dot) if !name[dot..].contains('/') => name.split_at(dot),
        _ => (name.as_str(), ""),
    };
    let others = (1_u64..).map(|number| format!("{stem}-{number}{ending}"));
    let mut candidates = std::iter::once(name.clone()).chain(others);
    candidates.find(|candidate| taken.insert(candidate.clone())).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use chutes_core::{RunId, Sha256Digest};

    use super::*;

    fn files(paths: &[&[u8]]) -> Vec<OutputFile> {
        let state = FileState::Collected { bytes: 0, sha256: Sha256Digest::from_bytes([0; 32]) };
        let file = |path: &&[u8]| OutputFile::new(OutputPath::new(*path).unwrap(), state.clone());
        paths.iter().map(file).collect()
    }

    #[track_caller]
    fn check(outputs: &[&[u8]], expected: &[&str]) {
        let (files, logs) = (files(outputs), files(&[b"stderr.log", b"stdout.log"]));
        let run_id = RunId::from_bytes([7; 16]);
        let names = Names::of(&Manifest { run_id, files, logs, artifacts: Vec::new() });
        assert_eq!(names.all(), expected);
        for output in outputs {
            let path = OutputPath::new(*output).unwrap();
            let name = names.get(FileKind::Output, &path).unwrap();
            assert!(path.as_str().is_none_or(|text| text == name), "{path} became {name}");
        }
    }

    #[test]
    fn names_are_unique_and_outputs_keep_theirs() {
        check(&[], &["_chute.stderr.log", "_chute.log"]);
        check(&[b"a/b", b"c"], &["a/b", "c", "_chute.stderr.log", "_chute.log"]);
        check(
            &[b"_chute-1.log", b"_chute.log", b"stdout.log"],
            &["_chute-1.log", "_chute.log", "stdout.log", "_chute.stderr.log", "_chute-2.log"],
        );
        check(
            &[b"a.b/c\xff", b"a.b/c%FF", b"\xff"],
            &["a.b/c%FF", "a.b/c%FF-1", "%FF", "_chute.stderr.log", "_chute.log"],
        );
    }

    #[test]
    fn what_was_not_collected_has_no_name() {
        let path = OutputPath::new(*b"pipe").unwrap();
        let state = FileState::Skipped { reason: "not a regular file".into() };
        let files = vec![OutputFile::new(path.clone(), state)];
        let (run_id, logs) = (RunId::from_bytes([7; 16]), Vec::new());
        let manifest = Manifest { run_id, files, logs, artifacts: Vec::new() };
        let names = Names::of(&manifest);
        assert!(names.all().is_empty() && names.get(FileKind::Output, &path).is_none());
    }
}
