//! Tests of the attributes as functions over tokens. No compiler runs here: what it says about an
//! expansion is recorded in the compile-fail suite of the workspace.

mod catalogue;
mod expansion;
mod groups;
mod hygiene;
mod summary;
mod validation;

use proc_macro2::{TokenStream, TokenTree};
use syn::LitStr;

use crate::crate_path::HostCrate;
use crate::hook::HookKind;

/// An attribute, as seen from the crate `chutes`.
#[derive(Clone, Copy, Debug)]
enum Attribute {
    Job,
    OnStartup,
    OnShutdown,
}

use Attribute::{Job, OnShutdown, OnStartup};

impl Attribute {
    fn expand(self, arguments: TokenStream, item: TokenStream) -> TokenStream {
        self.expand_from(HostCrate::Facade, arguments, item)
    }

    fn expand_from(
        self,
        host: HostCrate,
        arguments: TokenStream,
        item: TokenStream,
    ) -> TokenStream {
        match self {
            Job => crate::job::job(arguments, item, host),
            OnStartup => crate::hook::hook(arguments, item, HookKind::Startup, host),
            OnShutdown => crate::hook::hook(arguments, item, HookKind::Shutdown, host),
        }
    }
}

#[track_caller]
fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap()
}

/// The text of each `compile_error!` in an expansion.
fn errors(expansion: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut named = false;
    for token in expansion {
        match token {
            TokenTree::Ident(ident) => named = ident == "compile_error",
            TokenTree::Group(group) if named => {
                found.push(syn::parse2::<LitStr>(group.stream()).unwrap().value());
                named = false;
            }
            TokenTree::Group(group) => found.extend(errors(group.stream())),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}
