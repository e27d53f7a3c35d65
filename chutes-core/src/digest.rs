//! Checksums.

use std::fmt;
use std::str::FromStr;

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::hex;

/// A SHA-256 checksum, shown as 64 lowercase hexadecimal digits, as `sha256sum` does.
///
/// ```
/// use chutes::manifest::Sha256Digest;
///
/// let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// let empty: Sha256Digest = text.parse()?;
/// assert_eq!(empty.as_bytes()[0], 0xe3);
/// assert_eq!(Sha256Digest::from_bytes(*empty.as_bytes()).to_string(), text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256Digest([u8; 32]);

impl Sha256Digest {
    /// A digest of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The checksum of this content. For content that comes in pieces there is [`Sha256Hasher`].
    ///
    /// ```
    /// use chutes::manifest::Sha256Digest;
    ///
    /// let digest = Sha256Digest::of("abc");
    /// assert!(digest.to_string().starts_with("ba7816bf8f01cfea"));
    /// ```
    #[must_use]
    pub fn of(content: impl AsRef<[u8]>) -> Self {
        let mut hasher = Sha256Hasher::new();
        hasher.update(content.as_ref());
        hasher.finish()
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Takes the SHA-256 checksum of content that comes in pieces.
///
/// Most of its code is written for the processor, so that it is as fast in a build without optimisation.
///
/// ```
/// use chutes::manifest::{Sha256Digest, Sha256Hasher};
///
/// let mut hasher = Sha256Hasher::new();
/// hasher.update(b"a");
/// hasher.update(b"bc");
/// assert_eq!(hasher.finish(), Sha256Digest::of("abc"));
/// ```
#[derive(Clone)]
pub struct Sha256Hasher(Context);

impl Sha256Hasher {
    /// A hasher that has seen no bytes.
    #[must_use]
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes.
    #[must_use]
    pub fn finish(self) -> Sha256Digest {
        let mut bytes = [0; 32];
        // A SHA-256 checksum has 32 bytes.
        bytes.copy_from_slice(self.0.finish().as_ref());
        Sha256Digest(bytes)
    }
}

impl Default for Sha256Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sha256Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sha256Hasher").finish_non_exhaustive()
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write(&self.0, f)
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads 64 hexadecimal digits, lowercase or uppercase.
impl FromStr for Sha256Digest {
    type Err = Sha256DigestError;

    fn from_str(text: &str) -> Result<Self, Sha256DigestError> {
        hex::read(text.chars()).map(Self).ok_or(Sha256DigestError)
    }
}

impl TryFrom<String> for Sha256Digest {
    type Error = Sha256DigestError;

    fn try_from(text: String) -> Result<Self, Sha256DigestError> {
        text.parse()
    }
}

impl From<Sha256Digest> for String {
    fn from(digest: Sha256Digest) -> Self {
        digest.to_string()
    }
}

impl schemars::JsonSchema for Sha256Digest {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" })
    }
}

/// A text that is not 64 hexadecimal digits.
///
/// ```
/// let error = "e3b0".parse::<chutes::manifest::Sha256Digest>().unwrap_err();
/// assert_eq!(error.to_string(), "a SHA-256 checksum is 64 hexadecimal digits");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sha256DigestError;

impl fmt::Display for Sha256DigestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SHA-256 checksum is 64 hexadecimal digits")
    }
}

impl std::error::Error for Sha256DigestError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn digests() {
        let good = "0f".repeat(32);
        assert_eq!(good.parse::<Sha256Digest>().unwrap().to_string(), good);
        for bad in ["", "0f", &"0g".repeat(32), &"é".repeat(32)] {
            assert!(bad.parse::<Sha256Digest>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn it_is_that_of_another_library(pieces: Vec<Vec<u8>>) {
            let mut hasher = Sha256Hasher::new();
            for piece in &pieces {
                hasher.update(piece);
            }
            let expected: [u8; 32] = Sha256::digest(pieces.concat()).into();
            prop_assert_eq!(*hasher.clone().finish().as_bytes(), expected);
            prop_assert_eq!(Sha256Digest::of(pieces.concat()), hasher.finish());
        }
    }
}
