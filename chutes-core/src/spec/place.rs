//! Paths below `/volume` and `/output`, as a spec has them.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::ops::Bound;

use crate::RelativePath;

/// Where volumes are put, as a job sees it.
pub(super) const VOLUME: &str = "/volume";

/// Where outputs are, as a job sees it.
pub(super) const OUTPUT: &str = "/output";

/// Linux takes 4,096 bytes, with what stands before the path.
const MAX_PATH_BYTES: usize = 4_000;

/// The path below this directory that is written as a whole one; `None` is the directory itself, with or
/// without `/` at its end.
pub(crate) fn below(directory: &str, place: &str) -> Result<Option<RelativePath>, String> {
    match place.strip_prefix(directory) {
        Some("" | "/") => Ok(None),
        Some(rest) if rest.starts_with('/') => relative(&rest[1..]).map(Some),
        _ => Err(format!("a path begins with `{directory}/`")),
    }
}

/// A path below one of the directories.
pub(crate) fn relative(path: &str) -> Result<RelativePath, String> {
    if path.len() > MAX_PATH_BYTES {
        return Err(format!("a path has at most {MAX_PATH_BYTES} bytes"));
    }
    RelativePath::new(path).map_err(|error| error.to_string())
}

/// Groups the values of one path, in the order in which the paths first come.
pub(super) fn grouped<T, P: Hash + Eq>(mut all: Vec<T>, place: impl Fn(&T) -> P) -> Vec<T> {
    let mut order = HashMap::new();
    for volume in &all {
        let next = order.len();
        order.entry(place(volume)).or_insert(next);
    }
    all.sort_by_key(|volume| order.get(&place(volume)).copied());
    all
}

/// Paths that are in use, and whether each is a file. It finds a conflict without comparing each path with
/// each other.
#[derive(Default)]
pub(super) struct InUse<'a>(BTreeMap<&'a str, bool>);

impl<'a> InUse<'a> {
    /// Puts a file, or a directory, there.
    pub(super) fn add(&mut self, path: &'a RelativePath, is_file: bool) {
        *self.0.entry(path.as_str()).or_default() |= is_file;
    }

    /// What is at exactly this place: whether it is a file.
    pub(super) fn at(&self, path: &RelativePath) -> Option<bool> {
        self.0.get(path.as_str()).copied()
    }

    /// A file above this place.
    pub(super) fn file_above(&self, path: &RelativePath) -> Option<&'a str> {
        let text = path.as_str();
        let above = text.match_indices('/').map(|(end, _)| &text[..end]);
        above.filter_map(|above| self.0.get_key_value(above)).find(|(_, file)| **file).map(first)
    }

    /// Something below this place.
    pub(super) fn below(&self, path: &RelativePath) -> Option<&'a str> {
        let folder = format!("{path}/", path = path.as_str());
        let next =
            self.0.range::<str, _>((Bound::Included(folder.as_str()), Bound::Unbounded)).next();
        next.filter(|(path, _)| path.starts_with(&folder)).map(first)
    }
}

fn first<'a>((path, _): (&&'a str, &bool)) -> &'a str {
    path
}
