//! Which files and folders a list of paths makes, and whether all of them can be there at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use chutes_core::RelativePath;

/// The paths so far, as a tree: what is kept does not grow with the depth of the paths.
pub(crate) struct Names {
    /// By the number of the folder, and the name in it.
    entries: HashMap<(usize, Box<str>), Named>,
    limit: u64,
}

struct Named {
    number: usize,
    is_folder: bool,
    /// Whether it was in the list itself, not only what is in it.
    is_listed: bool,
}

/// Why a path cannot be added, after its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Conflict {
    #[error("is there twice")]
    Twice,
    #[error("is a file and a folder at once")]
    FileAndFolder,
    #[error("is one too many: more than {0} files and folders")]
    TooMany(u64),
}

impl Names {
    pub(crate) fn new(limit: u64) -> Self {
        Self { entries: HashMap::new(), limit }
    }

    /// Adds a file or a folder, with all folders that lead to it. A folder may be there twice: nothing of it is lost.
    pub(crate) fn add(&mut self, path: &RelativePath, is_folder: bool) -> Result<(), Conflict> {
        // The root has the number 0.
        let mut folder = 0;
        let mut components = path.components().peekable();
        while let Some(name) = components.next() {
            let is_last = components.peek().is_none();
            let is_folder = is_folder || !is_last;
            let number = self.entries.len() + 1;
            let is_full = self.entries.len() as u64 >= self.limit;
            match self.entries.entry((folder, name.into())) {
                Entry::Vacant(_) if is_full => return Err(Conflict::TooMany(self.limit)),
                Entry::Vacant(place) => {
                    place.insert(Named { number, is_folder, is_listed: is_last });
                    folder = number;
                }
                Entry::Occupied(mut place) => {
                    let named = place.get_mut();
                    if named.is_folder != is_folder {
                        return Err(Conflict::FileAndFolder);
                    }
                    if is_last && named.is_listed && !is_folder {
                        return Err(Conflict::Twice);
                    }
                    named.is_listed |= is_last;
                    folder = named.number;
                }
            }
        }
        Ok(())
    }
}
