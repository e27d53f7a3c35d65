//! Paths of fields in messages about data and results, for instance `layers[2].size`.

/// The path as messages show it; empty for the value as a whole.
pub(crate) fn shown(path: &serde_path_to_error::Path) -> String {
    let path = path.to_string();
    if path == "." { String::new() } else { path }
}

/// The path as a phrase in a message; empty for the value as a whole.
pub(crate) fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at `{path}`") }
}
