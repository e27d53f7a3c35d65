//! Tokens as written in attributes: groups, literals, words.

use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::{Lit, LitInt};

/// Takes away the invisible groups that `macro_rules!` puts around what it substitutes.
pub(crate) fn ungroup(tokens: TokenStream) -> TokenStream {
    match single_group(&tokens, Delimiter::None) {
        Some(group) => ungroup(group.stream()),
        None => tokens,
    }
}

/// The only token of `tokens`, when that is a group with this delimiter.
pub(crate) fn single_group(tokens: &TokenStream, delimiter: Delimiter) -> Option<Group> {
    let mut tokens = tokens.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

/// The literal that `tokens` is, if it is nothing but one, perhaps with a minus sign.
pub(crate) fn literal(tokens: &TokenStream) -> Option<Lit> {
    let tokens = ungroup(tokens.clone());
    let mut parts = tokens.clone().into_iter();
    // The number itself may be in an invisible group, behind a minus sign that is not.
    if let (Some(TokenTree::Punct(minus)), Some(TokenTree::Group(number)), None) =
        (parts.next(), parts.next(), parts.next())
    {
        let number = ungroup(number.stream());
        return syn::parse2(quote!(#minus #number)).ok();
    }
    syn::parse2(tokens).ok()
}

/// Whether the suffix of a number is none, or that of an integer type, and not a unit (`90m`).
pub(crate) fn has_plain_suffix(number: &LitInt) -> bool {
    let unsigned = ["u8", "u16", "u32", "u64", "u128", "usize"];
    let signed = ["i8", "i16", "i32", "i64", "i128", "isize"];
    let suffix = number.suffix();
    suffix.is_empty() || unsigned.contains(&suffix) || signed.contains(&suffix)
}

/// Whether a word stands anywhere in the tokens, in groups, too.
pub(crate) fn mentions(tokens: TokenStream, word: &str) -> bool {
    find(tokens, word).is_some()
}

/// The first place where a word stands in the tokens, in groups, too.
pub(crate) fn find(tokens: TokenStream, word: &str) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) => (ident == word).then_some(ident),
        TokenTree::Group(group) => find(group.stream(), word),
        TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    })
}

/// Words in a sentence: "`a`", "`a` and `b`", "`a`, `b`, and `c`".
pub(crate) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first, second] => format!("{first} and {second}"),
        [first @ .., last] => format!("{}, and {last}", first.join(", ")),
    }
}
