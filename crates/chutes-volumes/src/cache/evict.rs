//! Keeps a cache within its bound: what was not used for the longest time goes first.

use std::io;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use cap_fs_ext::DirExt;
use cap_std::fs::Dir;
use chutes_core::Sha256Digest;
use rustix::fs::{FlockOperation, flock};

use super::object::fingerprint_name;
use super::{Cache, Entry, open, read_entry, remove};

/// A content that may have to go.
struct Candidate {
    used: SystemTime,
    bytes: u64,
    folder: String,
    name: String,
}

impl Cache {
    /// Removes contents until the others are within the bound, then the keys that led to them.
    pub(crate) fn evict(&self) -> io::Result<()> {
        self.stored.store(0, Ordering::Relaxed);
        let all = self.objects.open(".")?;
        if flock(&all, FlockOperation::NonBlockingLockExclusive).is_err() {
            // Another process does it.
            return Ok(());
        }
        let mut candidates = self.candidates()?;
        let mut bytes: u64 = candidates.iter().map(|candidate| candidate.bytes).sum();
        if bytes <= self.max_bytes {
            return Ok(());
        }
        candidates.sort_by_key(|candidate| candidate.used);
        for candidate in candidates {
            if bytes <= self.max_bytes {
                break;
            }
            let folder = self.objects.open_dir_nofollow(&candidate.folder)?;
            remove(&folder, &candidate.name)?;
            remove(&folder, &fingerprint_name(&candidate.name))?;
            bytes -= candidate.bytes;
        }
        self.forget()
    }

    fn candidates(&self) -> io::Result<Vec<Candidate>> {
        let mut candidates = Vec::new();
        for folder in names(&self.objects)? {
            let Ok(inner) = self.objects.open_dir_nofollow(&folder) else { continue };
            for name in names(&inner)? {
                if format!("{folder}{name}").parse::<Sha256Digest>().is_err() {
                    continue;
                }
                // One that is gone was removed by another process.
                let Ok(metadata) = inner.symlink_metadata(&name) else { continue };
                let fingerprint = inner.symlink_metadata(fingerprint_name(&name)).ok();
                let used = fingerprint.as_ref().unwrap_or(&metadata).modified()?.into_std();
                let bytes = metadata.len();
                candidates.push(Candidate { used, bytes, folder: folder.clone(), name });
            }
        }
        Ok(candidates)
    }

    /// Removes keys of contents that are not there any more.
    fn forget(&self) -> io::Result<()> {
        for name in names(&self.keys)? {
            let Ok(file) = open(&self.keys, &name) else { continue };
            let entry: Option<Entry> = read_entry(file);
            let is_there = entry.is_some_and(|entry| {
                let text = entry.sha256.to_string();
                self.objects.symlink_metadata(format!("{}/{}", &text[..2], &text[2..])).is_ok()
            });
            if !is_there {
                remove(&self.keys, &name)?;
            }
        }
        Ok(())
    }
}

/// The names in a folder. Names that are not text are not ours.
fn names(folder: &Dir) -> io::Result<Vec<String>> {
    let names = folder.entries()?.map(|entry| Ok(entry?.file_name().into_string().ok()));
    names.filter_map(Result::transpose).collect()
}
