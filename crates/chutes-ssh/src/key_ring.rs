//! The keys of a server that serves: they may be added and taken away.

use std::sync::{Arc, PoisonError, RwLock};

use russh::keys::{Algorithm, PublicKey};

use crate::AuthorizedKeys;
use crate::keys::KeyError;

/// The keys that may log in to a server, while it serves. Clones are those of the same server.
#[derive(Clone, Debug)]
pub struct KeyRing(Arc<RwLock<AuthorizedKeys>>);

impl KeyRing {
    pub(super) fn new(keys: AuthorizedKeys) -> Self {
        Self(Arc::new(RwLock::new(keys)))
    }

    /// Adds the keys in these texts, each with lines as in `authorized_keys`. Returns the fingerprints of those that could
    /// not log in before.
    ///
    /// # Errors
    ///
    /// When a key cannot be used, or when they would be more than 1,000. Then none is added.
    pub fn add(&self, texts: &[String]) -> Result<Vec<String>, KeyError> {
        let Some(more) = AuthorizedKeys::parse(texts)? else { return Ok(Vec::new()) };
        self.0.write().unwrap_or_else(PoisonError::into_inner).extend(more)
    }

    /// Takes the keys in these texts away. Returns the fingerprints of those that could log in before. Clients that are
    /// logged in stay.
    ///
    /// # Errors
    ///
    /// When a text is no key. Then none is taken away.
    pub fn remove(&self, texts: &[String]) -> Result<Vec<String>, KeyError> {
        let Some(gone) = AuthorizedKeys::parse(texts)? else { return Ok(Vec::new()) };
        Ok(self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&gone))
    }

    /// Whether this key may log in with this algorithm.
    pub(super) fn accept(&self, key: &PublicKey, algorithm: &Algorithm) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).accept(key, algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti first";
    const SECOND: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJjhyZtVxSTQOH6hYXTNhKhWLmJkE6KMJ7lQ3/xIMQEM";

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn keys_come_and_go() {
        let ring = KeyRing::new(AuthorizedKeys::parse(&texts(&[FIRST])).unwrap().unwrap());
        let may_log_in = |text: &str| {
            let key = PublicKey::from_openssh(text).unwrap();
            ring.accept(&key, &key.algorithm())
        };
        let check = |changed: Result<Vec<String>, KeyError>, count, first, second| {
            assert_eq!(changed.unwrap().len(), count);
            assert_eq!((may_log_in(FIRST), may_log_in(SECOND)), (first, second));
        };
        check(ring.add(&texts(&[FIRST])), 0, true, false);
        check(ring.add(&texts(&[FIRST, SECOND])), 1, true, true);
        check(ring.remove(&texts(&[FIRST])), 1, false, true);
        check(ring.remove(&texts(&[FIRST, "# nothing"])), 0, false, true);
        assert!(ring.add(&texts(&[FIRST, "ssh-dss AAAA"])).is_err());
        check(ring.remove(&texts(&[SECOND])), 1, false, false);
        check(ring.add(&texts(&[FIRST])), 1, true, false);
    }
}
