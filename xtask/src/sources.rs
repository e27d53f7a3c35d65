//! The source files of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// The extension of source files.
const SOURCE: &str = "rs";

/// All source files below a folder.
pub(crate) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    with_extension(folder, SOURCE)
}

/// All files below a folder whose names have this extension.
pub(crate) fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(with_extension(&path, extension)?);
        } else if has_extension(&path, extension) {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether this is the name of a source file.
pub(crate) fn is_source(path: &Path) -> bool {
    has_extension(path, SOURCE)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}
