//! The item under an attribute, of whatever kind it is.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Meta, Path, Signature, Visibility};

use crate::diagnostics::Problem;

/// An item that may be a function; the body is not parsed.
pub(super) struct Item {
    pub(super) attributes: Vec<Attribute>,
    pub(super) signature: Option<Signature>,
    /// The body, or all of an item that is not a function.
    pub(super) rest: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attributes = input.call(Attribute::parse_outer)?;
        let _: Visibility = input.parse()?;
        let is_function = {
            let ahead = input.fork();
            ahead.parse::<Signature>().is_ok()
        };
        let signature = if is_function { Some(input.parse()?) } else { None };
        Ok(Self { attributes, signature, rest: input.parse()? })
    }
}

/// Whether an attribute makes an entry point of a function, such as `tokio::main`.
pub(super) fn is_entry_point(path: &Path) -> bool {
    let name = path.segments.last().map(|segment| segment.ident.to_string());
    path.segments.len() > 1 && matches!(name.as_deref(), Some("main" | "test"))
}

/// The item without such attributes, which would report the same mistake again.
pub(super) fn without_entry_points(item: TokenStream) -> TokenStream {
    let mut kept: Vec<TokenTree> = Vec::new();
    for token in item {
        let is_attribute = match (kept.last(), &token) {
            (Some(TokenTree::Punct(hash)), TokenTree::Group(group)) => {
                hash.as_char() == '#'
                    && group.delimiter() == Delimiter::Bracket
                    && syn::parse2::<Meta>(group.stream())
                        .is_ok_and(|meta| is_entry_point(meta.path()))
            }
            _ => false,
        };
        if is_attribute {
            kept.pop();
        } else {
            kept.push(token);
        }
    }
    kept.into_iter().collect()
}

/// The problem with an item that is not a function.
pub(super) fn not_a_function(item: &TokenStream, attribute: &str) -> Problem {
    let words = item.clone().into_iter().filter_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident),
        _ => None,
    });
    let mut found =
        words.filter_map(|word| plural(&word.to_string()).map(|noun| (word.span(), noun)));
    let (place, noun) = found.next().unwrap_or_else(|| (Span::call_site(), "this item"));
    Problem::at(place, format!("the `{attribute}` attribute cannot be used on {noun}"))
        .help("apply it to an `async fn`")
}

fn plural(keyword: &str) -> Option<&'static str> {
    Some(match keyword {
        "struct" => "structs",
        "enum" => "enums",
        "union" => "unions",
        "trait" => "traits",
        "impl" => "`impl` blocks",
        "mod" => "modules",
        "const" => "constants",
        "static" => "statics",
        "type" => "type aliases",
        "use" => "imports",
        "extern" => "`extern` items",
        "macro_rules" => "macros",
        _ => return None,
    })
}
