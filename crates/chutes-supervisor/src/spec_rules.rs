//! What this program refuses in a spec before it runs it.

use chutes_core::{ClassProfile, SpecRules};

use crate::{access, download};

/// The rules of a program that has these classes besides those built in: what a run would be rejected for, as far as that is
/// known from the spec alone.
#[must_use]
pub const fn spec_rules(classes: &[ClassProfile]) -> SpecRules<'_> {
    SpecRules {
        public_keys: access::check_key,
        client_certificate: access::check_certificate,
        ..SpecRules::of_classes(classes)
    }
}

/// The same, with what a run would end for when its inputs are put in place: zip files in the spec that cannot be
/// unpacked. To look at them takes as long as to unpack them.
#[must_use]
pub const fn rules_with_contents(classes: &[ClassProfile]) -> SpecRules<'_> {
    SpecRules { inline_zip: download::check_inline_zip, ..spec_rules(classes) }
}
