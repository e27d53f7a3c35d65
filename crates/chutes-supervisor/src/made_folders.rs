//! The folders that were made for the sinks of a run. A run that is rejected leaves none of them.

use std::cmp::Reverse;
use std::path::{Path, PathBuf};

use chutes_core::{SinkKind, SinkSpec, ZipTarget};

/// Folders that are made for the sinks of a run, the innermost first.
#[derive(Clone, Debug, Default)]
pub(crate) struct MadeFolders(Vec<PathBuf>);

impl MadeFolders {
    /// The folders that these sinks need and that are not there. To be called before they are made.
    pub(crate) fn missing(places: &[SinkSpec]) -> Self {
        let needed = places.iter().filter_map(|place| match place.kind() {
            SinkKind::Directory(path) => Some(path.as_path()),
            SinkKind::Zip(ZipTarget::File(path)) => path.parent(),
            _ => None,
        });
        let missing = |path: &Path| path.symlink_metadata().is_err();
        let folders = needed.flat_map(|path| path.ancestors().take_while(|path| missing(path)));
        let mut folders: Vec<_> = folders.map(Path::to_owned).collect();
        folders.sort_by_key(|path| Reverse(path.components().count()));
        folders.dedup();
        Self(folders)
    }

    /// Removes those that are empty.
    pub(crate) fn remove(&self) {
        for folder in &self.0 {
            // One that is not empty has files of another run, and stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("old")).unwrap();
        let places = ["old", "old/a/b", "old/c", "d/all.zip"];
        let places = places.map(|name| path(name).display().to_string().parse().unwrap());
        let made = MadeFolders::missing(&places);
        for name in ["old/a/b", "old/c", "d"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        std::fs::write(path("old/c/file"), "of another run").unwrap();
        made.remove();
        let left = ["old", "old/c/file", "old/a", "d"].map(|name| path(name).exists());
        assert_eq!(left, [true, true, false, false]);
    }
}
