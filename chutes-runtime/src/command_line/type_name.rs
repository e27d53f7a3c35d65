//! Names of types for people.

/// What is said of a type, given with its path, that has no schema.
pub(super) fn without_schema(path: &str) -> String {
    format!("no schema: `{}` does not implement JsonSchema", short(path))
}

/// A type without the modules on the paths of its parts: `Vec<Batch>` for `alloc::vec::Vec<jobs::Batch>`.
fn short(path: &str) -> String {
    let mut name = String::new();
    let mut start = 0;
    for sign in path.chars() {
        if sign == ':' {
            name.truncate(start);
            continue;
        }
        name.push(sign);
        if !sign.is_alphanumeric() && sign != '_' {
            start = name.len();
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_modules() {
        for (path, expected) in [
            ("u32", "u32"),
            ("my_jobs::training::Data", "Data"),
            ("alloc::vec::Vec<core::option::Option<jobs::Batch>>", "Vec<Option<Batch>>"),
            ("(a::B, [c::D; 2])", "(B, [D; 2])"),
            ("a::b::Map<a::K, &'static str>", "Map<K, &'static str>"),
        ] {
            assert_eq!(short(path), expected);
        }
    }
}
