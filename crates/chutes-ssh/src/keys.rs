//! The public keys that may log in.

#[cfg(test)]
mod tests;

use std::fmt;

use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PublicKey};
use thiserror::Error;

/// RSA keys below this size are refused, in bits.
const MIN_RSA_BITS: u32 = 2048;

/// The largest number of keys of a run.
const MAX_KEYS: usize = 1_000;

/// The longest name of an option that is repeated in a message, in characters.
const MAX_OPTION_CHARS: usize = 32;

/// The accepted types of keys, as at the beginning of a line.
const ACCEPTED: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];

/// Texts that only private keys contain. The last one is the beginning of the body of one.
const PRIVATE: [&str; 3] = ["PRIVATE KEY", "PuTTY-User-Key-File", "b3BlbnNzaC1rZXktdjE"];

/// The keys that may log in; at least one when they were read.
#[derive(Clone, Debug)]
pub struct AuthorizedKeys {
    keys: Vec<KeyData>,
}

impl AuthorizedKeys {
    /// Reads lines of `authorized_keys` files. `None` when there is no key at all.
    pub fn parse(texts: &[String]) -> Result<Option<Self>, KeyError> {
        let mut keys = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let at = |line| KeyPosition { text: index + 1, texts: texts.len(), line };
            if PRIVATE.iter().any(|sign| text.contains(sign)) {
                return Err(KeyError::Private { at: at(None) });
            }
            let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
            for (number, line) in lines.filter(|(_, line)| is_content(line)) {
                let key = parse_line(line, at(Some(number)))?;
                if !keys.contains(&key) {
                    keys.push(key);
                }
                if keys.len() > MAX_KEYS {
                    return Err(KeyError::TooMany);
                }
            }
        }
        Ok(if keys.is_empty() { None } else { Some(Self { keys }) })
    }

    /// Adds keys, unless they become too many. Returns the fingerprints of those that were not there.
    pub(super) fn extend(&mut self, more: Self) -> Result<Vec<String>, KeyError> {
        let is_new = |key: &KeyData| !self.keys.contains(key);
        let new: Vec<_> = more.keys.into_iter().filter(is_new).collect();
        if self.keys.len() + new.len() > MAX_KEYS {
            return Err(KeyError::TooMany);
        }
        let fingerprints = new.iter().map(fingerprint_of).collect();
        self.keys.extend(new);
        Ok(fingerprints)
    }

    /// Removes keys, perhaps the last. Returns the fingerprints of those that were there.
    pub(super) fn remove(&mut self, gone: &Self) -> Vec<String> {
        let removed = self.keys.extract_if(.., |key| gone.keys.contains(key));
        removed.map(|key| fingerprint_of(&key)).collect()
    }

    /// Whether this key may log in with this algorithm. RSA with SHA-1 is never accepted.
    pub(super) fn accept(&self, key: &PublicKey, algorithm: &Algorithm) -> bool {
        !matches!(algorithm, Algorithm::Rsa { hash: None }) && self.keys.contains(key.key_data())
    }
}

/// The fingerprint of a key: `SHA256:…`, as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn fingerprint_of(key: &KeyData) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

fn is_content(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

fn parse_line(line: &str, at: KeyPosition) -> Result<KeyData, KeyError> {
    let mut words = line.split_whitespace();
    let (kind, data) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if !ACCEPTED.contains(&kind) {
        return Err(line_error(line, kind, at));
    }
    // The comment is not needed, and any text is valid in it.
    let key = PublicKey::from_openssh(&format!("{kind} {data}"));
    let key = key.map_err(|_| KeyError::Damaged { at })?.key_data().clone();
    match key.rsa().map(russh::keys::ssh_key::public::RsaPublicKey::key_size) {
        Some(bits) if bits < MIN_RSA_BITS => Err(KeyError::ShortRsa { at, bits }),
        _ => Ok(key),
    }
}

/// The error for a line that does not begin with an accepted type.
fn line_error(line: &str, first: &str, at: KeyPosition) -> KeyError {
    if let Some(kind) = other_kind(first) {
        return KeyError::Kind { at, kind };
    }
    if line.split_whitespace().skip(1).any(|word| ACCEPTED.contains(&word)) {
        return KeyError::Options { at, option: option_name(first) };
    }
    KeyError::NoKey { at }
}

/// The description of a type of keys that OpenSSH supports and this server does not accept.
fn other_kind(word: &str) -> Option<&'static str> {
    match word {
        "ssh-dss" => Some("DSA keys"),
        _ if word.ends_with("-cert-v01@openssh.com") => Some("certificates"),
        _ if word.starts_with("sk-") => Some("keys of security tokens (`sk-`)"),
        _ => None,
    }
}

/// The name of the first option of a line, without its value, which may be secret.
fn option_name(word: &str) -> String {
    let is_part = |character: &char| character.is_ascii_alphanumeric() || *character == '-';
    word.chars().take_while(is_part).take(MAX_OPTION_CHARS).collect()
}

/// The position of a key: the number of its text, and of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPosition {
    text: usize,
    texts: usize,
    line: Option<usize>,
}

impl fmt::Display for KeyPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.texts, self.line) {
            (1, None) => write!(f, "the SSH public key"),
            (_, None) => write!(f, "SSH public key {}", self.text),
            (1, Some(line)) => write!(f, "line {line} of the SSH public key"),
            (_, Some(line)) => write!(f, "line {line} of SSH public key {}", self.text),
        }
    }
}

/// Why keys are not accepted. The text of a key is never repeated: it may be a private one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    #[error(
        "{at} is a private key: give the public one, in the file whose name ends in `.pub`, \
         and make a new pair if others may have seen this"
    )]
    Private { at: KeyPosition },
    #[error("{at} begins with options (`{option}`), which are not supported: remove them")]
    Options { at: KeyPosition, option: String },
    #[error("{at}: {kind} are not accepted: use an Ed25519, ECDSA or RSA key")]
    Kind { at: KeyPosition, kind: &'static str },
    #[error("{at}: an RSA key of {bits} bits is too short: it needs 2048 or more")]
    ShortRsa { at: KeyPosition, bits: u32 },
    #[error("{at} is damaged: it may be cut off, or wrapped over several lines")]
    Damaged { at: KeyPosition },
    #[error(
        "{at} is no public key: give what is in a `.pub` file, for instance \
         `ssh-ed25519 AAAA… name`"
    )]
    NoKey { at: KeyPosition },
    #[error("there are more than {MAX_KEYS} SSH public keys")]
    TooMany,
}
