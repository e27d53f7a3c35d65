//! Keys that stand twice: of two values one would be lost without a word, and which one, nobody can know.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Problems, element, member};

/// The most keys that are reported to stand twice. A text may have millions of them.
const MAX_REPORTED: usize = 16;

/// Notes the keys that stand twice in a JSON text, at any depth. The value of the key `opaque` of the text itself is not
/// looked into.
///
/// ```
/// use chutes::spec::reader::{Problems, check_duplicates};
///
/// let mut problems = Problems::default();
/// check_duplicates(r#"{"a": [{"b": 1, "b": 2}], "data": {"c": 1, "c": 2}}"#, Some("data"), &mut problems);
/// let errors = problems.finish(None::<()>).unwrap_err();
/// assert_eq!(errors.to_string(), "$.a[0].b: the key stands twice");
/// ```
pub fn check_duplicates(text: &str, opaque: Option<&'static str>, problems: &mut Problems) {
    let mut found = Duplicates { count: 0, problems };
    let walk = Walk { at: Place::Root, opaque, found: &mut found };
    // What cannot be read is reported where it is read for its meaning.
    let _ = walk.deserialize(&mut serde_json::Deserializer::from_str(text));
}

/// The keys that stand twice.
struct Duplicates<'a> {
    count: usize,
    problems: &'a mut Problems,
}

impl Duplicates<'_> {
    fn add(&mut self, at: &Place<'_>) {
        self.count += 1;
        if self.count <= MAX_REPORTED {
            self.problems.add(at.path(), "the key stands twice");
        }
    }
}

/// Where a value stands. Only the place of a problem becomes a path: in a hostile text there are too many
/// places, and their paths are too long.
#[derive(Clone, Copy)]
enum Place<'a> {
    Root,
    Key(&'a Place<'a>, &'a str),
    Element(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn path(&self) -> String {
        match self {
            Self::Root => "$".to_owned(),
            Self::Key(object, key) => member(&object.path(), key),
            Self::Element(list, index) => element(&list.path(), *index),
        }
    }
}

/// Looks for keys that stand twice, in one value.
struct Walk<'a, 'p> {
    at: Place<'a>,
    /// The key of the value that is not looked into.
    opaque: Option<&'static str>,
    found: &'a mut Duplicates<'p>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let at = Place::Key(&self.at, &key);
            if keys.contains(&key) {
                self.found.add(&at);
            }
            if self.opaque == Some(key.as_str()) {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Walk { at, opaque: None, found: &mut *self.found })?;
            }
            keys.insert(key);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        for index in 0.. {
            let at = Place::Element(&self.at, index);
            let walk = Walk { at, opaque: None, found: &mut *self.found };
            if list.next_element_seed(walk)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
