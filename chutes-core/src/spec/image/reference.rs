//! The grammar of the names of images, which engines and registries share: `REGISTRY/PATH:TAG@DIGEST`.

/// The longest tag, in bytes.
const MAX_TAG_BYTES: usize = 128;

/// The shortest digest, in hexadecimal digits.
const MIN_DIGEST_DIGITS: usize = 32;

/// The number of digits of the id of an image.
const ID_DIGITS: usize = 64;

/// What is wrong with a name.
pub(super) fn problem(name: &str) -> Option<&'static str> {
    if name.len() == ID_DIGITS && name.bytes().all(is_hexadecimal) {
        return Some("it is an id, and an image is named");
    }
    let (name, digest) = match name.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (name, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Some("after `@` stands one digest, such as `sha256:` and 64 hexadecimal digits");
    }
    let (name, tag) = split_tag(name);
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Some("after `:` stands one tag: at most 128 letters, digits, `_`, `.` and `-`");
    }
    let (registry, path) = split_registry(name);
    if registry.is_some_and(|registry| !is_registry(registry)) {
        return Some("before the first `/` stands a registry: a host, and perhaps `:` and a port");
    }
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Some("its path has lowercase letters only");
    }
    if !path.split('/').all(is_component) {
        return Some(
            "in its path a single `.`, one or two `_`, or `-` stand between letters or digits",
        );
    }
    None
}

/// A name and its tag, which is in its last component.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    let last = name.rfind('/').map_or(0, |at| at + 1);
    match name[last..].find(':') {
        Some(at) => (&name[..last + at], Some(&name[last + at + 1..])),
        None => (name, None),
    }
}

/// The registry, if the first component is one, and the path.
fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
            (Some(first), rest)
        }
        _ => (None, name),
    }
}

fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    };
    let is_label = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && is_enclosed(label, |byte| byte.is_ascii_alphanumeric())
    };
    host.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Letters and digits, with separators between them: `.`, `_`, `__`, or any number of `-`.
fn is_component(component: &str) -> bool {
    let is_separator = |byte: u8| b"._-".contains(&byte);
    let mut separators = component.split(|byte: char| byte.is_ascii_alphanumeric());
    component.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_separator(byte))
        && is_enclosed(component, |byte| byte.is_ascii_alphanumeric())
        && separators.all(|text| {
            matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-')
        })
}

/// Whether both ends of a text are of this kind.
fn is_enclosed(text: &str, is_end: impl Fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [first, .., last] => is_end(*first) && is_end(*last),
        [only] => is_end(*only),
        [] => false,
    }
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= MAX_TAG_BYTES
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || b".-".contains(&byte))
}

/// An algorithm, `:`, and hexadecimal digits; of SHA-256 exactly as many as it has.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, digits)) = digest.split_once(':') else { return false };
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let has_length = match algorithm {
        "sha256" => digits.len() == 64,
        "sha512" => digits.len() == 128,
        _ => digits.len() >= MIN_DIGEST_DIGITS,
    };
    algorithm.split(['-', '_', '.']).all(is_part)
        && has_length
        && digits.bytes().all(is_hexadecimal)
}

const fn is_hexadecimal(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use crate::ImageName;

    /// Each name with a part of what is said about it; empty where it is right.
    #[test]
    fn names_of_images() {
        let digest = "9".repeat(64);
        let id = "ab".repeat(32);
        let check = |name: &str, expected: &str| {
            let said = ImageName::new(name).err().map(|error| error.to_string());
            let said = said.unwrap_or_default();
            let is_right =
                if expected.is_empty() { said.is_empty() } else { said.contains(expected) };
            assert!(is_right, "{name}: {said:?}");
        };
        for name in [
            "alpine",
            "a",
            "alpine:3.20",
            "localhost/plain:1",
            "localhost:5000/plain",
            "registry.test:5000/team/train:1.2",
            "Registry.Test/team/train:V1_2-x.y",
            "r.test/a.b-c__d_e---f/g",
            "127.0.0.1:5000/x:1",
            "sha256:1",
            &format!("x@sha256:{digest}"),
            &format!("r.test/x:1@sha256:{digest}"),
            &format!("x:{}", "t".repeat(128)),
            &format!("x@other_b64.u:{}", "0".repeat(32)),
        ] {
            check(name, "");
        }
        for name in ["PLAIN:1", "Foo/bar", "localhost/Plain", "r.test/a/B:1"] {
            check(name, "lowercase");
        }
        for name in ["localhost/plain:1:2", "x:.1", "x:-1", "x:a/b:c:d", "x:1:"] {
            check(name, if name == "x:1:" { "empty" } else { "one tag" });
        }
        check(&format!("x:{}", "t".repeat(129)), "one tag");
        for name in ["a..b", "a___b", "a-", "a_", "a._b", "r.test/-a", "r.test/a_/b", "a/b."] {
            check(name, "stand between");
        }
        for name in ["-r.test/x", "r..test/x", "r.test:port/x", "r.test:70000/x", "r_s.test/x"] {
            check(name, if name.starts_with('-') { "begins with" } else { "a registry" });
        }
        for name in ["x@1", "x@sha256:12", "x@sha256:Z", "x@a@b", &format!("x@sha256:{digest}0")] {
            check(name, "digest");
        }
        check(&id, "an id");
        check(&format!("{id}/x"), "");
        for name in ["", "--privileged", "a b", "a/../b", "a//b", "/a", "a/", "a:", "ä", "a\nb"] {
            check(name, "is not the name of an image");
        }
    }

    /// A run that was accepted stays readable.
    #[test]
    fn names_in_records() {
        for name in ["PLAIN:1", "localhost/plain:1:2"] {
            assert!(ImageName::recorded(name).is_ok() && ImageName::new(name).is_err(), "{name}");
        }
    }
}
