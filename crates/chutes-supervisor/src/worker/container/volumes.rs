//! The volumes that an image declares below a folder of the run.
//!
//! An engine makes a volume of its own for each of them. It would hide the inputs that are there, would be gone with the
//! outputs that are written there, and could not be put below the inputs, which are read-only. So that part of the
//! folder of the run is mounted there once more.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chutes_core::{Escaped, FailureKind};
use chutes_engine::FolderMount;

use super::body::mounts;
use super::{ContainerSetup, failed};
use crate::worker::{StepExit, StepFailure};

/// The mounts for these declared volumes. The folders that are missing are made.
pub(super) fn mounts_below(
    setup: &ContainerSetup,
    declared: &[String],
) -> Result<Vec<FolderMount>, StepExit> {
    let folders = mounts(setup).map_err(|error| StepExit::Finished(Err(failed(&error))))?;
    let mut below = Vec::new();
    for path in declared.iter().map(|path| canonical(path)) {
        let part_of = |folder: &FolderMount| {
            let rest = path.strip_prefix(&folder.target)?.strip_prefix('/')?;
            Some((folder.clone(), rest.to_owned()))
        };
        // A folder of the run may be mounted below another one.
        let inner = folders.iter().filter_map(part_of).max_by_key(|(it, _)| it.target.len());
        if let Some((folder, rest)) = inner {
            let mount = mount(&folder, &rest).map_err(|error| cannot_be_mounted(&path, &error))?;
            below.push(mount);
        }
    }
    Ok(below)
}

/// A path in its canonical spelling, as engines read it.
fn canonical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Mounts a part of a folder. What is there already, as an input, is what the folder is; what is made for the
/// image can be written to.
fn mount(folder: &FolderMount, rest: &str) -> io::Result<FolderMount> {
    let mut source = PathBuf::from(&folder.source);
    let mut is_new = false;
    for part in rest.split('/') {
        source.push(part);
        is_new |= make_folder(&source)?;
    }
    Ok(FolderMount {
        source: format!("{}/{rest}", folder.source),
        target: format!("{}/{rest}", folder.target),
        read_only: folder.read_only && !is_new,
    })
}

/// Makes a folder that every user may write to. Returns `false` when there is something at its path.
fn make_folder(path: &Path) -> io::Result<bool> {
    match std::fs::create_dir(path) {
        Ok(()) => {
            std::fs::set_permissions(path, Permissions::from_mode(0o777))?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// An input may be a file where the image declares a folder above its volume.
fn cannot_be_mounted(path: &str, error: &io::Error) -> StepExit {
    let kind = match error.kind() {
        io::ErrorKind::NotADirectory => FailureKind::ImageUnavailable,
        _ => FailureKind::Platform,
    };
    let path = Escaped(path);
    let message =
        format!("the image cannot be run: its volume `{path}` cannot be mounted: {error}");
    StepExit::Finished(Err(StepFailure::new(kind, message)))
}

#[cfg(test)]
mod tests {
    use chutes_core::{ClassProfile, ContainerPath, EngineRequest, ImageName, RunId, SecretPairs};
    use tempfile::TempDir;

    use super::*;
    use crate::RunDirectory;

    fn setup(folder: &TempDir) -> ContainerSetup {
        let directory = RunDirectory::create(&folder.path().join("run")).unwrap();
        std::fs::create_dir(directory.artifacts()).unwrap();
        ContainerSetup {
            run_id: RunId::from_bytes([7; 16]),
            image: ImageName::new("r.test/x").unwrap(),
            args: Vec::new(),
            env: SecretPairs::default(),
            network: false,
            ports: Vec::new(),
            profile: ClassProfile::LOCAL,
            artifacts_dir: Some(ContainerPath::new("/results/a").unwrap()),
            directory,
            engine: EngineRequest::default(),
        }
    }

    /// Each declared volume with the mount that it becomes: its source in the directory of the run, its target, and
    /// whether it is read-only.
    #[test]
    fn declared_volumes() {
        let folder = TempDir::new().unwrap();
        let setup = setup(&folder);
        std::fs::create_dir(setup.directory.inputs().join("given")).unwrap();
        std::fs::write(setup.directory.inputs().join("file"), "").unwrap();
        let check = |declared: &str, expected: Option<(&str, &str, bool)>| {
            let mounts = mounts_below(&setup, &[declared.to_owned()]).unwrap();
            let run = setup.directory.root().to_str().unwrap();
            let expected = expected.map(|(source, target, read_only)| FolderMount {
                source: format!("{run}/{source}"),
                target: target.to_owned(),
                read_only,
            });
            assert_eq!(mounts, expected.into_iter().collect::<Vec<_>>(), "{declared}");
        };
        for elsewhere in
            ["/", "/data", "/output", "/outputs/x", "/volume/", "/results", "/results/a"]
        {
            check(elsewhere, None);
        }
        check("/output/a/b", Some(("outputs/a/b", "/output/a/b", false)));
        check("//output/./a/../c/", Some(("outputs/c", "/output/c", false)));
        check("/output/../etc", None);
        check("/results/a/b", Some(("artifacts/b", "/results/a/b", false)));
        check("/volume/cache", Some(("inputs/cache", "/volume/cache", false)));
        check("/volume/given", Some(("inputs/given", "/volume/given", true)));
        check("/volume/file", Some(("inputs/file", "/volume/file", true)));
        let mode = |path: &str| {
            let made = std::fs::metadata(setup.directory.root().join(path)).unwrap();
            made.permissions().mode() & 0o777
        };
        assert_eq!(
            (mode("outputs/a"), mode("outputs/a/b"), mode("inputs/cache")),
            (0o777, 0o777, 0o777)
        );
        let end = mounts_below(&setup, &["/volume/file/x".to_owned()]).unwrap_err();
        let StepExit::Finished(Err(failure)) = end else { panic!("{end:?}") };
        assert_eq!(failure.kind, FailureKind::ImageUnavailable, "{failure:?}");
    }
}
