//! Many small files at once: all are written, then all are put on disk by one call, then all get their names.
//!
//! One call for the whole file system costs less than one for each of a thousand files, and promises the same. A file
//! that something is in the way of is left out; it is copied by itself.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::Dir;
use chutes_transfer::TransferError;

use super::Opened;
use crate::SourceFile;
use crate::blocking::{Abandoned, failed};
use crate::copying::copy_file;
use crate::folder::{self, folder_of};

/// A copy that has no name yet.
struct Copy<'a> {
    /// The place of the file in the list.
    at: usize,
    file: &'a SourceFile,
    temporary: OsString,
}

/// The folder that was used last: files of one folder follow each other.
struct Folders<'a> {
    opened: &'a Opened,
    last: Option<(&'a SourceFile, Arc<Dir>)>,
}

impl<'a> Folders<'a> {
    fn of(&mut self, file: &'a SourceFile) -> std::io::Result<Arc<Dir>> {
        let path = folder_of(file.path.as_bytes());
        if let Some((last, folder)) = &self.last
            && (last.kind, folder_of(last.path.as_bytes())) == (file.kind, path)
        {
            return Ok(Arc::clone(folder));
        }
        let folder = Arc::new(folder::open(&self.opened.root, file.kind, path)?);
        self.opened.touch(file.kind, path);
        self.last = Some((file, Arc::clone(&folder)));
        Ok(folder)
    }
}

impl Opened {
    /// Copies the files, and returns the places of those that are there.
    pub(super) fn put_together(
        &self,
        files: &[SourceFile],
        moved: &AtomicU64,
        abandoned: &Abandoned,
    ) -> Result<Vec<usize>, TransferError> {
        let mut folders = Folders { opened: self, last: None };
        let mut copies = Vec::with_capacity(files.len());
        let written = self.write_all(files, &mut folders, &mut copies, (moved, abandoned));
        let on_disk = written.and_then(|()| {
            folder::sync_file_system(&self.root).map_err(|error| failed("cannot write", &error))
        });
        let mut there = Vec::with_capacity(copies.len());
        for Copy { at, file, temporary } in copies {
            // Folders may have been replaced by now; then the copy is not found.
            let Ok(folder) = folders.of(file) else { continue };
            let name = OsStr::from_bytes(file.path.file_name());
            let may_appear = on_disk.is_ok() && abandoned.check().is_ok();
            if may_appear && folder.rename(&temporary, &folder, name).is_ok() {
                there.push(at);
                moved.fetch_add(1, Ordering::Relaxed);
            } else {
                // What cannot be removed now is removed when the sink is finished.
                let _ = folder.remove_file(&temporary);
            }
        }
        on_disk.map(|()| there)
    }

    fn write_all<'a>(
        &self,
        files: &'a [SourceFile],
        folders: &mut Folders<'a>,
        copies: &mut Vec<Copy<'a>>,
        (moved, abandoned): (&AtomicU64, &Abandoned),
    ) -> Result<(), TransferError> {
        for (at, file) in files.iter().enumerate() {
            abandoned.check()?;
            let Ok(folder) = folders.of(file) else { continue };
            if let Some(temporary) = self.write(file, &folder, abandoned) {
                copies.push(Copy { at, file, temporary });
            }
            moved.fetch_add(1 + file.bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies a file and returns the name of the copy. One that cannot be copied, or in the place of which something is
    /// already, perhaps the same file from an earlier supervisor, is left to be copied by itself.
    fn write(&self, file: &SourceFile, folder: &Dir, abandoned: &Abandoned) -> Option<OsString> {
        if folder.symlink_metadata(OsStr::from_bytes(file.path.file_name())).is_ok() {
            return None;
        }
        let temporary = self.temporary();
        let mut to = folder::create_new(folder, &temporary).ok()?;
        if let Ok(attributes) = copy_file(file, &mut to, abandoned) {
            attributes.give_to(&to);
            return Some(temporary);
        }
        let _ = folder.remove_file(&temporary);
        None
    }
}
