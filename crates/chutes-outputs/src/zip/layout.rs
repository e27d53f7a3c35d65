//! What is in a zip file, and under which names.

use std::collections::HashSet;

use chutes_core::{FileKind, FileState, LogStream, Manifest, OutputPath};

use crate::{SourceFile, log_part};

/// What a zip file contains.
pub(crate) enum Layout {
    /// Everything of a run: `outputs/…`, `logs/…`, `artifacts/…` and `manifest.json`.
    Run,
    /// The system output of a spec: the outputs at the root, and what the job printed as `stdout.txt`
    /// and `stderr.txt`, each as one text. An output keeps its name, always: where the job has written
    /// a `stdout.txt` of its own, what it printed is called `stdout-1.txt`.
    SystemOutput {
        /// The outputs that are not in it.
        except: HashSet<OutputPath>,
    },
}

/// What a file becomes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Member {
    /// A member of this name.
    Whole(String),
    /// The part of a stream with this number.
    Part(LogStream, u64),
}

impl Layout {
    pub(super) const fn is_declared(&self) -> bool {
        matches!(self, Self::SystemOutput { .. })
    }

    /// Why a file is not in it, if it is not.
    pub(super) fn skips(&self, file: &SourceFile) -> Option<String> {
        let Self::SystemOutput { except } = self else { return None };
        let reason = match file.kind {
            FileKind::Output if except.contains(&file.path) => "it has an output volume of its own",
            FileKind::Log if log_part(&file.path).is_none() => "it is not what the job printed",
            FileKind::Artifact => "artifacts are returned with the result",
            FileKind::Output | FileKind::Log => return None,
        };
        Some(reason.to_owned())
    }

    pub(super) fn member(&self, file: &SourceFile) -> Member {
        match (self, file.kind) {
            (Self::Run, kind) => Member::Whole(format!("{}/{}", kind.folder(), file.path)),
            (Self::SystemOutput { .. }, FileKind::Log) => match log_part(&file.path) {
                Some((stream, number)) => Member::Part(stream, number),
                None => Member::Whole(file.path.to_string()),
            },
            (Self::SystemOutput { .. }, _) => Member::Whole(file.path.to_string()),
        }
    }

    /// The names of what the job printed: free ones beside its outputs.
    pub(super) fn log_names(&self, manifest: &Manifest) -> [(LogStream, String); 2] {
        let is_in_it = |path: &OutputPath| match self {
            Self::Run => true,
            Self::SystemOutput { except } => !except.contains(path),
        };
        let collected =
            manifest.files.iter().filter(|file| matches!(file.state, FileState::Collected { .. }));
        // A folder of this name takes it, too.
        let first_part = |path: &OutputPath| {
            let shown = path.to_string();
            shown.split('/').next().unwrap_or_default().to_owned()
        };
        let paths = collected.map(|file| &file.path).filter(|path| is_in_it(path));
        let taken: HashSet<String> = paths.map(first_part).collect();
        let free = |stem: &str| {
            let others = (1_u64..).map(|number| format!("{stem}-{number}.txt"));
            let mut names = std::iter::once(format!("{stem}.txt")).chain(others);
            names.find(|name| !taken.contains(name)).unwrap_or_default()
        };
        [(LogStream::Stdout, free("stdout")), (LogStream::Stderr, free("stderr"))]
    }
}
