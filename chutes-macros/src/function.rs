//! The function under an attribute: its signature is read and checked, its body left alone.

mod borrow;
mod item;
mod shape;

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::Type;
use syn::ext::IdentExt;

use self::item::Item;
pub(crate) use self::shape::Shape;
use crate::diagnostics::Diagnostics;
use crate::literal;

/// A function that has the right shape.
pub(crate) struct Function {
    /// Its name as an identifier, raw or not.
    pub(crate) ident: Ident,
    /// The types of its parameters.
    pub(crate) parameters: Vec<Type>,
    /// Its return type.
    pub(crate) returns: Type,
    /// The first paragraph of its doc comment.
    pub(crate) summary: String,
}

impl Function {
    /// The name in messages, in JSON and on the command line.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }
}

/// The item as it was, then its registration, or else all problems of the item and of the arguments of its
/// attribute.
pub(crate) fn attach(
    item: TokenStream,
    attribute: &str,
    shape: &Shape,
    mut problems: Diagnostics,
    registration: impl FnOnce(&Function) -> TokenStream,
) -> TokenStream {
    let parsed: Item = match syn::parse2(item.clone()) {
        Ok(parsed) => parsed,
        Err(error) => {
            let errors = error.into_compile_error();
            return [item, problems.into_compile_errors(), errors].into_iter().collect();
        }
    };
    let item = item::without_entry_points(item);
    let allowance = lint_allowance(&item);
    let function = shape::check(&parsed, attribute, shape, &mut problems);
    let appended = match function {
        Some(function) if problems.is_empty() => registration(&function),
        _ => problems.into_compile_errors(),
    };
    [allowance, item, appended].into_iter().collect()
}

/// A job must be an `async fn` even when it awaits nothing, so the lint about that is allowed.
fn lint_allowance(item: &TokenStream) -> TokenStream {
    if literal::mentions(item.clone(), "await") {
        TokenStream::new()
    } else {
        quote!(#[allow(clippy::unused_async)])
    }
}
