//! JSON whose shape this crate does not know: job data, results, schemas.

use std::fmt;

use crate::members::Members;

/// A JSON value, kept as its text: key order and number format stay as they were written.
///
/// It is made by [`Json::parse`] or [`Json::from_value`]. The text is valid
/// JSON on one line, without white space between its tokens. Two are equal when their texts are.
///
/// ```
/// use chutes::data::Json;
///
/// let data = Json::parse(r#"{"rate": 1.10, "epochs": 3}"#)?;
/// assert_eq!(data.as_str(), r#"{"rate":1.10,"epochs":3}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Json(Box<str>);

impl Json {
    /// The value `null`.
    ///
    /// ```
    /// use chutes::data::Json;
    ///
    /// assert!(Json::null().is_null());
    /// assert_eq!(Json::null().to_string(), "null");
    /// ```
    #[must_use]
    pub fn null() -> Self {
        Self("null".into())
    }

    /// The value `{}`.
    ///
    /// ```
    /// assert_eq!(chutes::data::Json::empty_object().as_str(), "{}");
    /// ```
    #[must_use]
    pub fn empty_object() -> Self {
        Self("{}".into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not JSON, or a value that JSON cannot hold.
///
/// ```
/// let error = chutes::data::Json::parse("{'a': 1}").unwrap_err();
/// assert_eq!(error.to_string(), "key must be a string at line 1 column 2");
/// ```
pub type JsonError = serde_json::Error;

impl Json {
    /// Checks that `text` is one JSON value, and drops the white space outside of its strings.
    ///
    /// ```
    /// use chutes::data::Json;
    ///
    /// assert_eq!(Json::parse(" [1, 2]\n")?.as_str(), "[1,2]");
    /// assert!(Json::parse("1 2").is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        let value: &serde_json::value::RawValue = serde_json::from_str(text)?;
        Ok(Self(without_white_space(value.get())))
    }

    /// Writes a value as JSON on one line. Floating-point numbers that are not finite become `null`,
    /// as always with `serde_json`: refuse them before, where that matters.
    ///
    /// ```
    /// use chutes::data::Json;
    ///
    /// assert_eq!(Json::from_value(&vec![("loss", 0.5)])?.as_str(), r#"[["loss",0.5]]"#);
    /// assert!(Json::from_value(&f64::NAN)?.is_null());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_value(value: &impl serde::Serialize) -> Result<Self, JsonError> {
        Ok(Self(serde_json::to_string(value)?.into()))
    }

    /// An object with these fields, in this order.
    ///
    /// ```
    /// use chutes::data::Json;
    ///
    /// let data = Json::object([("epochs".to_owned(), Json::parse("3")?)])?;
    /// assert_eq!(data.as_str(), r#"{"epochs":3}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn object(fields: impl IntoIterator<Item = (String, Self)>) -> Result<Self, JsonError> {
        let mut text = String::from("{");
        for (at, (name, value)) in fields.into_iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(&name)?);
            text.push(':');
            text.push_str(&value.0);
        }
        text.push('}');
        Ok(Self(text.into()))
    }

    /// The fields of an object as they were written: in their order, and a name that is there twice is twice among them.
    /// `None` for all other values.
    ///
    /// ```
    /// use chutes::data::Json;
    ///
    /// let data = Json::parse(r#"{"id": 340282366920938463463374607431768211455}"#)?;
    /// let fields = data.fields().unwrap_or_default();
    /// assert_eq!(fields[0].1.as_str(), "340282366920938463463374607431768211455");
    /// assert!(Json::null().fields().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn fields(&self) -> Option<Vec<(String, Self)>> {
        if !self.0.starts_with('{') {
            return None;
        }
        self.to::<Members<Self>>().ok().map(|members| members.0)
    }

    /// The value with one field set, by the names on its path. Objects on the path that are missing, or are `null`, are
    /// made; all else stays as it was written.
    ///
    /// ```
    /// use chutes::data::Json;
    ///
    /// let data = Json::parse(r#"{"rate": 1.10}"#)?.with_field(&["model", "layers"], Json::parse("3")?)?;
    /// assert_eq!(data.as_str(), r#"{"rate":1.10,"model":{"layers":3}}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_field(&self, path: &[impl AsRef<str>], value: Self) -> Result<Self, SetFieldError> {
        self.set(path, 0, value)
    }

    fn set(
        &self,
        path: &[impl AsRef<str>],
        depth: usize,
        value: Self,
    ) -> Result<Self, SetFieldError> {
        let Some(name) = path.get(depth).map(AsRef::as_ref) else { return Ok(value) };
        let fields = if self.is_null() { Some(Vec::new()) } else { self.fields() };
        let Some(mut fields) = fields else {
            let place: Vec<&str> = path[..depth].iter().map(AsRef::as_ref).collect();
            return Err(SetFieldError::NotAnObject { place: place.join(".") });
        };
        let found = fields.iter().position(|(other, _)| other == name);
        let before = found.map_or_else(Self::null, |at| fields[at].1.clone());
        let after = before.set(path, depth + 1, value)?;
        match found {
            Some(at) => fields[at].1 = after,
            None => fields.push((name.to_owned(), after)),
        }
        Ok(Self::object(fields)?)
    }

    /// Reads the value as `T`.
    ///
    /// ```
    /// use chutes::data::Json;
    ///
    /// let (name, loss): (String, f64) = Json::parse(r#"["validation", 0.5]"#)?.to()?;
    /// assert_eq!((name.as_str(), loss), ("validation", 0.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn to<T: serde::de::DeserializeOwned>(&self) -> Result<T, JsonError> {
        serde_json::from_str(&self.0)
    }
}

/// Why a field cannot be set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetFieldError {
    /// What is at this place of the path is a list, a text, or another value without fields; the place is empty for the
    /// data as a whole.
    #[error("{} is not an object", shown_place(place))]
    NotAnObject {
        /// The names up to that place, with dots between them.
        place: String,
    },
    /// The name or the value cannot be written as JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
}

fn shown_place(place: &str) -> String {
    if place.is_empty() { "the data".to_owned() } else { format!("`{place}`") }
}

/// Valid JSON without the white space between its tokens, and so on one line.
fn without_white_space(text: &str) -> Box<str> {
    let (mut in_string, mut escaped) = (false, false);
    let kept = text.chars().filter(|character| {
        if in_string {
            in_string = escaped || *character != '"';
            escaped = !escaped && *character == '\\';
            return true;
        }
        in_string = *character == '"';
        !character.is_ascii_whitespace()
    });
    kept.collect::<String>().into()
}

impl serde::Serialize for Json {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let raw: &serde_json::value::RawValue =
            serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(to)
    }
}

impl<'de> serde::Deserialize<'de> for Json {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = Box::<serde_json::value::RawValue>::deserialize(from)?;
        Ok(Self(without_white_space(raw.get())))
    }
}

impl schemars::JsonSchema for Json {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Json".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        true.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_numbers_are_kept_and_white_space_is_not() {
        for (text, expected) in [
            ("{\"z\": 1.10,\n \"a\":\t[1e2]}\r\n", r#"{"z":1.10,"a":[1e2]}"#),
            (r#"[ " a \" \\" , " b" ]"#, r#"[" a \" \\"," b"]"#),
        ] {
            let json = Json::parse(text).unwrap();
            assert_eq!(serde_json::to_string(&json).unwrap(), expected);
            assert_eq!(serde_json::from_str::<Json>(text).unwrap(), json);
        }
    }

    proptest::proptest! {
        #[test]
        fn white_space_makes_no_difference(text in "[ \\[\\]{}\":,\\\\ab0-9]{0,20}") {
            if let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) {
                let pretty = serde_json::to_string_pretty(&value).unwrap();
                let json = Json::parse(&pretty).unwrap();
                proptest::prop_assert_eq!(json.as_str(), serde_json::to_string(&value).unwrap());
                proptest::prop_assert_eq!(json.to::<serde_json::Value>().unwrap(), value);
            }
        }
    }

    #[test]
    fn fields_are_those_that_were_written() {
        for (text, expected) in [
            ("{}", Some(vec![])),
            (
                r#"{"b":1e400,"a":{"x":[1]},"b":2}"#,
                Some(vec![("b", "1e400"), ("a", r#"{"x":[1]}"#), ("b", "2")]),
            ),
            ("[]", None),
            (r#""{""#, None),
        ] {
            let json = Json::parse(text).unwrap();
            let expected = expected.map(|fields| {
                let field = |(name, value): &(&str, &str)| {
                    ((*name).to_owned(), Json::parse(value).unwrap())
                };
                fields.iter().map(field).collect::<Vec<_>>()
            });
            assert_eq!(json.fields(), expected);
            if let Some(fields) = expected {
                assert_eq!(Json::object(fields).unwrap(), json);
            }
        }
    }

    #[test]
    fn broken_text_is_refused() {
        for text in ["", "{", "1 2", "nul", "\"\u{1}\"", "{'a': 1}", "NaN"] {
            assert!(Json::parse(text).is_err(), "{text:?}");
        }
    }
}
