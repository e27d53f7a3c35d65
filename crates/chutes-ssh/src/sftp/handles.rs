//! What a client has open.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, statat};
use rustix::process::{Resource, getrlimit, setrlimit};

use super::MOST_HANDLES;
use super::attributes::FileStat;

/// How many names are sent at a time. They fit into a packet however long they are.
const NAMES_AT_A_TIME: usize = 100;

/// Something open.
pub(super) enum Open {
    File(OpenFile),
    Folder(Listing),
}

/// An open file.
pub(super) struct OpenFile {
    pub(super) file: File,
    /// Whether data goes to the end, wherever the client wants it.
    pub(super) appends: bool,
    /// Whether its place lets it be changed.
    pub(super) may_change: bool,
}

/// A folder that is being listed.
pub(super) enum Listing {
    Real { folder: Box<Dir>, with_dots: bool },
    Between(<BTreeSet<String> as IntoIterator>::IntoIter),
}

impl Listing {
    pub(super) fn of(folder: OwnedFd, with_dots: bool) -> io::Result<Self> {
        Ok(Self::Real { folder: Box::new(Dir::new(folder)?), with_dots })
    }

    pub(super) fn between(names: BTreeSet<String>) -> Self {
        Self::Between(names.into_iter())
    }

    /// The next few entries; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Vec<russh_sftp::protocol::File>> {
        let mut files = Vec::new();
        match self {
            Self::Between(names) => {
                files.extend(
                    names.take(NAMES_AT_A_TIME).map(|name| FileStat::between().named(name)),
                );
            }
            Self::Real { folder, with_dots } => {
                while files.len() < NAMES_AT_A_TIME {
                    let Some(entry) = folder.read().transpose()? else { break };
                    let name = entry.file_name();
                    if !*with_dots && [&b"."[..], b".."].contains(&name.to_bytes()) {
                        continue;
                    }
                    // What has just been removed is not in the folder any more.
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

/// All that is open.
#[derive(Default)]
pub(super) struct Handles {
    open: BTreeMap<u64, Open>,
    /// No number is given twice: an old handle must not mean another file.
    last: u64,
}

impl Handles {
    /// Says before something is opened whether there is room for it.
    pub(super) fn check_room(&self) -> io::Result<()> {
        if self.open.len() < MOST_HANDLES {
            return Ok(());
        }
        Err(io::Error::other(format!("{MOST_HANDLES} files are open already: close some")))
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

/// Only what was given out: `+1` and `01` are none of ours.
fn number(handle: &str) -> Option<u64> {
    handle.parse().ok().filter(|number: &u64| number.to_string() == handle)
}

fn unknown() -> io::Error {
    io::Error::other("there is no such handle")
}

/// Lets this process open as many files as a client may, if it may have them.
pub(super) fn allow_many() {
    let mut limit = getrlimit(Resource::Nofile);
    let request = MOST_HANDLES as u64 + 64;
    if limit.current.is_some_and(|current| current < request) {
        limit.current = Some(limit.maximum.map_or(request, |maximum| maximum.min(request)));
        // With fewer, the system says that there are too many open files.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
