//! Which names an expansion uses: it must work wherever the user's crate puts it.

use proc_macro2::{Ident, TokenStream, TokenTree};

use super::{Attribute, Job, OnShutdown, OnStartup, tokens};
use crate::crate_path::HostCrate;

const CASES: [(Attribute, &str, &str); 4] = [
    (
        Job,
        r#"ports = [http("web", 8080), tcp("metrics", 9100), udp("game", 9200)],
        timeout = 60, upload = false, ssh = true"#,
        "async fn train(ctx: Context, data: Data) -> Returned { body() }",
    ),
    (Job, "", "async fn train(ctx: Context) -> Returned { body() }"),
    (OnStartup, "priority = 7", "async fn load(ctx: Context) -> Returned { body() }"),
    (OnShutdown, "", "async fn tidy() -> Returned { body() }"),
];

/// What the attribute adds to the user's item.
fn added(attribute: Attribute, host: HostCrate, arguments: &str, item: &str) -> Vec<TokenTree> {
    let item = tokens(item);
    let mut expansion = attribute.expand_from(host, tokens(arguments), item.clone()).into_iter();
    let lint_allowance: TokenStream = expansion.by_ref().take(2).collect();
    assert_eq!(lint_allowance.to_string(), "# [allow (clippy :: unused_async)]");
    let kept: TokenStream = expansion.by_ref().take(item.clone().into_iter().count()).collect();
    assert_eq!(kept.to_string(), item.to_string(), "the item is emitted as it was");
    flat(expansion.collect())
}

/// All tokens in a row, the contents of groups between a token for each bracket.
fn flat(tokens: TokenStream) -> Vec<TokenTree> {
    let mut row = Vec::new();
    for token in tokens {
        let inner = match &token {
            TokenTree::Group(group) => flat(group.stream()),
            _ => Vec::new(),
        };
        row.push(token);
        row.extend(inner);
    }
    row
}

fn idents(row: &[TokenTree]) -> impl Iterator<Item = &Ident> {
    row.iter().filter_map(|token| match token {
        TokenTree::Ident(ident) => Some(ident),
        _ => None,
    })
}

#[test]
fn custom_path_leaves_no_trace_of_the_default_one() {
    for (attribute, arguments, item) in CASES {
        for host in [HostCrate::Facade, HostCrate::Runtime] {
            let arguments = format!("{arguments}{}crate = ::renamed", separator(arguments));
            let row = added(attribute, host, &arguments, item);
            let banned = idents(&row).map(Ident::to_string);
            let banned = banned.filter(|ident| ident.contains("chutes") && ident != "__chutes");
            assert_eq!(banned.collect::<Vec<_>>(), [""; 0], "{attribute:?}");
            assert!(idents(&row).any(|ident| ident == "renamed"), "{attribute:?}");
        }
    }
}

fn separator(arguments: &str) -> &str {
    if arguments.is_empty() { "" } else { ", " }
}

#[test]
fn paths_begin_at_the_private_module() {
    for (attribute, arguments, item) in CASES {
        for (host, root) in [(HostCrate::Facade, "chutes"), (HostCrate::Runtime, "chutes_runtime")]
        {
            let row = added(attribute, host, arguments, item);
            let absolute: Vec<String> = path_starts(&row).map(Ident::to_string).collect();
            let (first, rest) = absolute.split_first().unwrap();
            assert_eq!(first, root, "{attribute:?}");
            assert!(!rest.is_empty(), "{attribute:?}");
            assert!(rest.iter().all(|path| path == "__chutes"), "{attribute:?}: {rest:?}");
        }
    }
}

/// The first segment of each path that has more than one, and the name of each macro.
fn path_starts(row: &[TokenTree]) -> impl Iterator<Item = &Ident> {
    row.iter().enumerate().filter_map(|(at, token)| {
        let TokenTree::Ident(ident) = token else { return None };
        let leads = is_colons(row, at + 1) || is(row.get(at + 1), '!');
        let follows = at >= 3 && is_colons(row, at - 2) && is_segment(&row[at - 3]);
        (leads && !follows && ident != "use").then_some(ident)
    })
}

/// Whether the token ends a segment, or the trait in `<T as Trait>::function`.
fn is_segment(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident != "use") || is(Some(token), '>')
}

fn is_colons(row: &[TokenTree], at: usize) -> bool {
    is(row.get(at), ':') && is(row.get(at + 1), ':')
}

fn is(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// What stands alone, neither in a path nor as a field, must be the user's, or a name of our own
/// with two underscores: the user may have shadowed `Some` or `u64`.
#[test]
fn bare_names_are_keywords_the_users_or_ours() {
    const KNOWN: [&str; 14] = [
        "const",
        "use",
        "allow",
        "deprecated",
        "as",
        "true",
        "false",
        "train",
        "load",
        "tidy",
        "Context",
        "Data",
        "Returned",
        "_",
    ];
    for (attribute, arguments, item) in CASES {
        let row = added(attribute, HostCrate::Facade, arguments, item);
        for (at, token) in row.iter().enumerate() {
            let TokenTree::Ident(ident) = token else { continue };
            let in_path = at >= 2 && is_colons(&row, at - 2);
            let field = is(row.get(at + 1), ':') && !is_colons(&row, at + 1);
            let name = ident.to_string();
            let known = name.starts_with("__") || KNOWN.contains(&name.as_str());
            assert!(in_path || field || known, "{attribute:?}: {name}");
        }
    }
}
