//! Where the type of data borrows.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Type, TypePath};

/// The first reference or lifetime in a type. Data is kept longer than the text that it is read from, so only `'static`
/// may stand in it, as in `Cow<'static, str>`, and no reference.
pub(super) fn find(ty: &Type) -> Option<TokenStream> {
    match ty {
        Type::Reference(reference) => Some(reference.to_token_stream()),
        Type::Path(path) => in_path(path),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(find),
        Type::Array(array) => find(&array.elem),
        Type::Slice(slice) => find(&slice.elem),
        Type::Group(group) => find(&group.elem),
        Type::Paren(paren) => find(&paren.elem),
        _ => None,
    }
}

fn in_path(path: &TypePath) -> Option<TokenStream> {
    path.path.segments.iter().find_map(|segment| {
        let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
        arguments.args.iter().find_map(|argument| match argument {
            GenericArgument::Lifetime(lifetime) => {
                (lifetime.ident != "static").then(|| lifetime.to_token_stream())
            }
            GenericArgument::Type(ty) => find(ty),
            _ => None,
        })
    })
}
