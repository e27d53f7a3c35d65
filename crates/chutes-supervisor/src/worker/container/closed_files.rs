//! Files of a container that the user of this process may neither read nor remove.
//!
//! An engine that runs as root lets a container write as root. Where this process runs as another user, it owns the
//! folders of the run, but not what the container has put into them. When the container has ended, the engine opens
//! its folders for everybody (only the owner can enter the directory of the run), and files that are closed are
//! replaced by copies of this user, which the engine reads.

use std::ffi::OsStr;
use std::fs::{FileTimes, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_fs_ext::DirExt;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirEntry, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use chutes_engine::{Engine, FolderMount, OpenedFolder};
use futures_util::StreamExt;

/// How deep folders may be nested below one that is closed.
const MAX_ROUNDS: usize = 100;

/// How many entries are examined at most.
const MAX_ENTRIES: usize = 1_000_000;

/// The name of a file while it is being copied.
const PART: &str = ".chutes-copy.part";

/// Makes everything in the folders of a container, which has ended, readable and removable for this user. Returns
/// warnings.
pub(super) async fn take_over(engine: &Engine, container: &str, user: u32) -> Vec<String> {
    let mut warnings = Vec::new();
    let folders = match engine.mounts(container).await {
        Ok(folders) => folders,
        // It was never made.
        Err(error) if error.is_unknown() => return warnings,
        Err(error) => {
            return vec![format!("files of the container may belong to another user: {error}")];
        }
    };
    for folder in folders.iter().filter(|folder| !folder.read_only) {
        let taking = TakeOver { engine, container, folder, user };
        if let Err(reason) = taking.run().await {
            let path = &folder.target;
            warnings.push(format!("some files in `{path}` belong to another user: {reason}"));
        }
    }
    warnings
}

struct TakeOver<'a> {
    engine: &'a Engine,
    container: &'a str,
    folder: &'a FolderMount,
    user: u32,
}

/// What is closed to a user below a folder.
#[derive(Debug, Default, PartialEq, Eq)]
struct Closed {
    /// The folders, which were not entered.
    folders: Vec<OpenedFolder>,
    files: Vec<PathBuf>,
}

impl TakeOver<'_> {
    async fn run(&self) -> Result<(), String> {
        let open = Dir::open_ambient_dir(&self.folder.source, ambient_authority());
        let root = Arc::new(open.map_err(|error| error.to_string())?);
        let mut failure = None;
        for file in self.open_folders(&root).await? {
            if let Err(reason) = self.copy(&root, &file).await {
                failure.get_or_insert(format!("`{}`: {reason}", file.display()));
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Opens all folders. Returns the files that are closed.
    async fn open_folders(&self, root: &Arc<Dir>) -> Result<Vec<PathBuf>, String> {
        let mut last = Closed::default();
        for _ in 0..MAX_ROUNDS {
            let (root, user) = (Arc::clone(root), self.user);
            let found = tokio::task::spawn_blocking(move || closed(&root, user)).await;
            let found = found.map_err(|error| error.to_string())?;
            if found.folders.is_empty() {
                return Ok(found.files);
            }
            if found.folders == last.folders {
                return Err("the container engine does not open a folder".to_owned());
            }
            let opened =
                self.engine.open_folders(self.container, &self.folder.target, &found.folders);
            opened.await.map_err(|error| error.to_string())?;
            last = found;
        }
        Err("its folders are nested too deep".to_owned())
    }

    /// Replaces a file by a copy of this user.
    async fn copy(&self, root: &Dir, path: &Path) -> Result<(), String> {
        let text = |error: io::Error| error.to_string();
        let (parent, name) = parent(root, path).map_err(text)?;
        let about = parent.symlink_metadata(&name).map_err(text)?;
        let shown = path.to_str().ok_or("its path is not UTF-8")?;
        let source = format!("{}/{shown}", self.folder.target);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = parent.open_with(PART, &options).map_err(text)?.into_std();
        let copied = self.write(&source, file, &about).await;
        if copied.is_err() {
            // What is left is an output that nobody expects, and is listed as such.
            let _ = parent.remove_file(PART);
        }
        copied?;
        parent.rename(PART, &parent, &name).map_err(text)
    }

    async fn write(
        &self,
        source: &str,
        mut file: std::fs::File,
        about: &Metadata,
    ) -> Result<(), String> {
        let mut content = self.engine.read_file(self.container, source);
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(|error| error.reason())?;
            let writing = move || file.write_all(&piece).map(|()| file);
            let written = tokio::task::spawn_blocking(writing).await;
            file =
                written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        }
        let modified = about.modified().map(cap_std::time::SystemTime::into_std);
        let mode = Permissions::from_mode(about.mode() & 0o777 | 0o600);
        let finish = || {
            file.set_permissions(mode)?;
            file.set_times(FileTimes::new().set_modified(modified?))
        };
        finish().map_err(|error| error.to_string())
    }
}

/// The folder that a path is in, and its last part. No link is followed.
fn parent(root: &Dir, path: &Path) -> io::Result<(Dir, PathBuf)> {
    let mut folder = root.try_clone()?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    for part in path.parent().into_iter().flat_map(Path::components) {
        folder = folder.open_dir_nofollow(part.as_os_str())?;
    }
    Ok((folder, name.into()))
}

/// Everything below a folder that is closed to a user. What cannot be examined is left to be reported when files are
/// collected.
fn closed(root: &Dir, user: u32) -> Closed {
    let mut found = Closed::default();
    let mut left = MAX_ENTRIES;
    let mut waiting: Vec<(Dir, PathBuf)> = Vec::new();
    waiting.extend(root.try_clone().ok().map(|root| (root, PathBuf::new())));
    while let Some((folder, path)) = waiting.pop() {
        let Ok(entries) = folder.entries() else { continue };
        for entry in entries.filter_map(Result::ok) {
            if left == 0 {
                return found;
            }
            left -= 1;
            let path = path.join(entry.file_name());
            waiting.extend(found.examine(&folder, &entry, &path, user).map(|open| (open, path)));
        }
    }
    found
}

impl Closed {
    /// Examines an entry. Returns a folder that is open.
    fn examine(&mut self, parent: &Dir, entry: &DirEntry, path: &Path, user: u32) -> Option<Dir> {
        let about = entry.metadata().ok()?;
        let is_ours = about.uid() == user;
        let mode = about.mode();
        if about.is_dir() {
            // Where the sticky bit is set, only its owner may remove an entry.
            if !is_ours && mode & 0o1007 != 0o0007 {
                let modified = u64::try_from(about.mtime()).unwrap_or_default();
                let path = path.as_os_str().as_bytes().to_vec();
                self.folders.push(OpenedFolder { path, modified });
                return None;
            }
            return parent.open_dir_nofollow(OsStr::new(&entry.file_name())).ok();
        }
        if about.is_file() && !is_ours && mode & 0o004 == 0 {
            self.files.push(path.to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each mode of a folder and of a file of somebody else, with whether it is closed.
    #[test]
    fn what_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, file) = (folder.path().join("dir"), folder.path().join("file"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(&file, "x").unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        let owner = rustix::process::geteuid().as_raw();
        let root = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        let check = |modes: (u32, u32), expected: (usize, usize)| {
            for (path, mode) in [(&dir, modes.0), (&file, modes.1)] {
                std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
            }
            let found = closed(&root, owner + 1);
            assert_eq!((found.folders.len(), found.files.len()), expected, "{modes:?}");
            assert_eq!(closed(&root, owner), Closed::default());
        };
        check((0o700, 0o600), (1, 1));
        check((0o755, 0o640), (1, 1));
        check((0o1777, 0o644), (1, 0));
        check((0o777, 0o604), (0, 0));
    }
}
