//! The argument `ready` of an `http` port: the path at which the job says that it serves.

use chutes_rules::{Protocol, ReadinessPath};
use proc_macro2::{TokenStream, TokenTree};
use syn::Lit;

use crate::argument::{self, Arguments, Grammar, Known};
use crate::diagnostics::{Diagnostics, Problem};
use crate::literal;
use crate::piece::Piece;

const NAME: &str = "ready";

const KNOWN: &[Known] = &[Known { name: NAME, example: "ready = \"/health\"", listed: true }];

const HTTP: Grammar = Grammar { owner: "an `http` port", known: KNOWN };

/// For a port of an unknown protocol.
const OTHER: Grammar = Grammar { owner: "a port", known: KNOWN };

/// Splits arguments that have no comma between them.
pub(super) fn split(piece: Piece) -> Vec<Result<Piece, Problem>> {
    argument::split_at_missing_commas(piece, &HTTP)
}

/// Reads the arguments after the number.
pub(super) fn read(
    others: Vec<Result<Piece, Problem>>,
    protocol: Option<Protocol>,
    problems: &mut Diagnostics,
) -> Option<ReadinessPath> {
    let grammar = match protocol {
        Some(Protocol::Http) => HTTP,
        Some(protocol @ (Protocol::Tcp | Protocol::Udp)) => {
            for piece in others {
                problems.keep(piece.and_then(|piece| Err::<(), _>(superfluous(&piece, protocol))));
            }
            return None;
        }
        None => OTHER,
    };
    let mut ready = None;
    Arguments::of(others, &grammar).report(problems, |argument, problems| {
        // There is no other argument.
        ready = problems.keep(path(&argument.value));
    });
    ready
}

/// Nothing can be asked over a port that does not speak HTTP.
fn superfluous(piece: &Piece, protocol: Protocol) -> Problem {
    match literal::ungroup(piece.tokens.clone()).into_iter().next() {
        Some(TokenTree::Ident(key)) if key == NAME => {
            Problem::new(key, "argument `ready` is for `http` ports only")
                .help(format!("remove it from this `{protocol}` port"))
        }
        _ => piece.problem(format!("a `{protocol}` port has a name and a number only")),
    }
}

fn path(value: &TokenStream) -> Result<ReadinessPath, Problem> {
    let Some(Lit::Str(path)) = literal::literal(value) else {
        return Err(Problem::new(value, "a readiness path must be a string literal"));
    };
    ReadinessPath::new(path.value()).map_err(|error| {
        let is_path = !error.path.contains("://");
        let rooted = ReadinessPath::new(format!("/{}", error.path)).ok().filter(|_| is_path);
        Problem::new(value, error.to_string())
            .note("a readiness path begins with `/`, then visible ASCII characters without `#`")
            .maybe_help(rooted.map(|path| format!("try `{:?}`", path.as_str())))
    })
}
