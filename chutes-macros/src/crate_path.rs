//! The path by which an expansion reaches chutes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Path;
use syn::parse::Parser;

use crate::argument::Argument;
use crate::diagnostics::Problem;
use crate::literal;

/// The crate that exports the attribute.
#[derive(Clone, Copy)]
pub(crate) enum HostCrate {
    /// `chutes`.
    Facade,
    /// `chutes-runtime`.
    Runtime,
}

impl HostCrate {
    /// Its path, which expansions name unless the attribute has another one.
    pub(crate) fn path(self) -> TokenStream {
        match self {
            Self::Facade => quote!(::chutes),
            Self::Runtime => quote!(::chutes_runtime),
        }
    }
}

/// The value of `crate = …`. A relative path would mean something else in each module, so only
/// absolute ones are taken.
pub(crate) fn read(argument: &Argument) -> Result<TokenStream, Problem> {
    let value = &argument.value;
    let Ok(path) = Path::parse_mod_style.parse2(literal::ungroup(value.clone())) else {
        let problem = Problem::new(value, "argument `crate` must be a path");
        return Err(problem.help("write, for example, `crate = ::my_chutes`"));
    };
    let starts_with = |word| path.segments.first().is_some_and(|first| first.ident == word);
    if path.leading_colon.is_some() || starts_with("crate") {
        return Ok(quote!(#path));
    }
    let problem = Problem::new(value, "argument `crate` must be an absolute path");
    if starts_with("self") || starts_with("super") {
        return Err(problem.help("write a path that starts with `crate::` or `::`"));
    }
    let shown = quote!(#path).to_string().replace(' ', "");
    Err(problem.help(format!("write `crate = ::{shown}`")))
}
