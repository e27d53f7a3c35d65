//! The open files and folders of a client.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, statat};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::MAX_HANDLES;
use super::attributes::FileStat;

/// The number of names that are sent at a time. They fit into a packet however long they are.
const NAMES_AT_A_TIME: usize = 100;

/// An open file or folder.
pub(super) enum Open {
    File(OpenFile),
    Folder(Listing),
}

/// An open file.
pub(super) struct OpenFile {
    pub(super) file: File,
    /// Whether data is appended, whatever the offset of a request.
    pub(super) appends: bool,
    /// Whether the file may be changed at its path.
    pub(super) may_change: bool,
}

/// A folder that is being listed.
pub(super) enum Listing {
    Real { folder: Box<Dir>, with_dots: bool },
    Virtual(<BTreeSet<String> as IntoIterator>::IntoIter),
}

impl Listing {
    pub(super) fn of(folder: OwnedFd, with_dots: bool) -> io::Result<Self> {
        Ok(Self::Real { folder: Box::new(Dir::new(folder)?), with_dots })
    }

    pub(super) fn virtual_folder(names: BTreeSet<String>) -> Self {
        Self::Virtual(names.into_iter())
    }

    /// The next entries; empty at the end.
    pub(super) fn next(&mut self) -> io::Result<Vec<russh_sftp::protocol::File>> {
        let mut files = Vec::new();
        match self {
            Self::Virtual(names) => {
                files.extend(
                    names.take(NAMES_AT_A_TIME).map(|name| FileStat::virtual_folder().named(name)),
                );
            }
            Self::Real { folder, with_dots } => {
                while files.len() < NAMES_AT_A_TIME {
                    let Some(entry) = folder.read().transpose()? else { break };
                    let name = entry.file_name();
                    if !*with_dots && [&b"."[..], b".."].contains(&name.to_bytes()) {
                        continue;
                    }
                    // The file may have been removed meanwhile.
                    let Ok(stat) = statat(folder.fd()?, name, AtFlags::SYMLINK_NOFOLLOW) else {
                        continue;
                    };
                    files.push(FileStat::of(&stat).named(name.to_string_lossy().into_owned()));
                }
            }
        }
        Ok(files)
    }
}

/// All open files and folders, by their handles.
#[derive(Default)]
pub(super) struct Handles {
    open: BTreeMap<u64, Open>,
    /// No number is used twice: an old handle must not refer to another file.
    last: u64,
}

impl Handles {
    /// Checks the limit before a file is opened.
    pub(super) fn check_limit(&self) -> io::Result<()> {
        if self.open.len() < MAX_HANDLES {
            return Ok(());
        }
        Err(io::Error::other(format!("{MAX_HANDLES} files are open already: close some")))
    }

    pub(super) fn add(&mut self, open: Open) -> String {
        self.last += 1;
        self.open.insert(self.last, open);
        self.last.to_string()
    }

    pub(super) fn file(&self, handle: &str) -> io::Result<&OpenFile> {
        match number(handle).and_then(|number| self.open.get(&number)) {
            Some(Open::File(file)) => Ok(file),
            _ => Err(unknown()),
        }
    }

    pub(super) fn folder(&mut self, handle: &str) -> io::Result<&mut Listing> {
        match number(handle).and_then(|number| self.open.get_mut(&number)) {
            Some(Open::Folder(listing)) => Ok(listing),
            _ => Err(unknown()),
        }
    }

    pub(super) fn close(&mut self, handle: &str) -> io::Result<()> {
        let closed = number(handle).and_then(|number| self.open.remove(&number));
        closed.map(drop).ok_or_else(unknown)
    }
}

/// Reads a handle in its exact form: `+1` and `01` are not handles of this server.
fn number(handle: &str) -> Option<u64> {
    handle.parse().ok().filter(|number: &u64| number.to_string() == handle)
}

fn unknown() -> io::Error {
    io::Error::other("there is no such handle")
}

/// Raises the limit of open files to what a client may need, as far as the system permits.
pub(super) fn raise_open_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    let request = MAX_HANDLES as u64 + 64;
    if limit.current.is_some_and(|current| current < request) {
        limit.current = Some(limit.maximum.map_or(request, |maximum| maximum.min(request)));
        // With a lower limit, the system reports too many open files.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
