//! Which part of a doc comment is the summary of a job.

use syn::{Attribute, ItemFn};

use super::tokens;
use crate::doc;

#[track_caller]
fn check(attributes: &str, expected: &str) {
    let item = tokens(&format!("{attributes}\nfn train() {{}}"));
    let attributes: Vec<Attribute> = syn::parse2::<ItemFn>(item).unwrap().attrs;
    assert_eq!(doc::summary(&attributes), expected);
}

#[test]
fn first_paragraph() {
    check("", "");
    check("/// Trains a model.", "Trains a model.");
    check("///Trains\n///   a model.  \n/// Slowly.", "Trains a model. Slowly.");
    check("/// Trains.\n///\n/// Slowly.", "Trains.");
    check("///\n///\n/// Trains.\n///  \n/// Slowly.", "Trains.");
    check("/// Trains.\n#[inline]\n/// A model.", "Trains. A model.");
    check("/** Trains\n\n slowly. */", "Trains");
    check("/// Says \"hello\" and `\\n`.", "Says \"hello\" and `\\n`.");
}

#[test]
fn other_forms() {
    check("#[doc = \"Trains\\na model.\\n\\nSlowly.\"]", "Trains a model.");
    check("#[doc = include_str!(\"train.md\")]", "");
    check("#[doc(hidden)]\n/// Trains.", "Trains.");
    check("#[doc(alias = \"fit\")]", "");
}

#[test]
fn block_comment_with_stars() {
    check("/** Trains\n * a model.\n */", "Trains a model.");
}
