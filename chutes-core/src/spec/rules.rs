//! What the component that runs specs knows of parts that a spec only carries.

use super::{ClassProfile, InlineZip};

/// What a component that runs specs refuses besides what no spec may say: the classes of machine that it does not have,
/// and parts that only it can read.
///
/// Each function says what is wrong as a lowercase fragment, without secrets.
///
/// ```
/// use chutes::spec::{JobSpec, SpecRules};
///
/// let never = |_: &str| Err("no key is accepted here".to_owned());
/// let rules = SpecRules { public_keys: never, ..SpecRules::of_classes(&[]) };
/// let text = r#"{"image": "alpine", "ssh": {"public_keys": ["ssh-ed25519 AAAA"]}}"#;
/// let errors = JobSpec::from_json_with(text, rules).unwrap_err();
/// assert_eq!(errors.to_string(), "$.ssh.public_keys[0]: no key is accepted here");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SpecRules<'a> {
    /// The classes that there are besides [`ClassProfile::BUILT_IN`].
    pub classes: &'a [ClassProfile],
    /// Checks one text of `ssh.public_keys`.
    pub public_keys: fn(&str) -> Result<(), String>,
    /// Checks the certificate of the clients of a run that streams.
    pub client_certificate: fn(&str) -> Result<(), String>,
    /// Checks the contents of an inline volume.
    pub inline_zip: fn(&InlineZip) -> Result<(), String>,
}

impl<'a> SpecRules<'a> {
    /// Only the classes are checked.
    #[must_use]
    pub const fn of_classes(classes: &'a [ClassProfile]) -> Self {
        Self {
            classes,
            public_keys: |_| Ok(()),
            client_certificate: |_| Ok(()),
            inline_zip: |_| Ok(()),
        }
    }
}
