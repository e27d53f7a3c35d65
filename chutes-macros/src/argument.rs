//! The arguments of an attribute, or of a port in one, as written: `name = value`, separated by commas.
//!
//! Names, duplicates and missing values are checked here, by the table of arguments that each of them
//! has. A broken argument is reported and left out; the others are still checked.

use chutes_rules::suggest;
use proc_macro2::{Ident, Spacing, TokenStream, TokenTree};

use crate::diagnostics::{Diagnostics, Problem};
use crate::literal;
use crate::piece::{self, Piece};

/// One row of the table of arguments.
pub(crate) struct Known {
    /// The name.
    pub(crate) name: &'static str,
    /// A complete argument, for help.
    pub(crate) example: &'static str,
    /// Whether the list of arguments in messages names it.
    pub(crate) listed: bool,
}

/// The owner of arguments, an attribute or a port, and its table of them.
pub(crate) struct Grammar {
    /// The owner in messages, for instance "the `job` attribute".
    pub(crate) owner: &'static str,
    /// Its arguments.
    pub(crate) known: &'static [Known],
}

/// One argument with a known name.
pub(crate) struct Argument {
    /// The name.
    pub(crate) key: Ident,
    /// The value, never empty.
    pub(crate) value: TokenStream,
}

/// All arguments, each name at most once, with the problems between them.
pub(crate) struct Arguments {
    list: Vec<Result<Argument, Problem>>,
}

impl Arguments {
    /// Reads the tokens between the parentheses of an attribute.
    pub(crate) fn read(tokens: TokenStream, grammar: &Grammar) -> Self {
        let pieces = piece::split_at_commas(literal::ungroup(tokens)).into_iter();
        Self::of(pieces.flat_map(|piece| split_at_missing_commas(piece, grammar)), grammar)
    }

    /// Reads the pieces between commas.
    pub(crate) fn of(
        pieces: impl IntoIterator<Item = Result<Piece, Problem>>,
        grammar: &Grammar,
    ) -> Self {
        let mut names: Vec<String> = Vec::new();
        let list = pieces.into_iter().map(|piece| {
            let (key, value) = split_at_equals(&piece?, grammar)?;
            let name = key.to_string();
            let repeated = names.contains(&name);
            names.push(name);
            check(&key, value, grammar, repeated)
        });
        Self { list: list.collect() }
    }

    /// The argument of this name, if it can be read.
    pub(crate) fn get(&self, name: &str) -> Option<&Argument> {
        self.list.iter().flatten().find(|argument| argument.key == name)
    }

    /// The arguments in the order in which they were written; broken ones are reported.
    pub(crate) fn report(
        self,
        problems: &mut Diagnostics,
        mut read: impl FnMut(Argument, &mut Diagnostics),
    ) {
        for argument in self.list {
            if let Some(argument) = problems.keep(argument) {
                read(argument, problems);
            }
        }
    }
}

/// Two arguments without a comma between them are reported once, and both are still read.
pub(crate) fn split_at_missing_commas(
    piece: Piece,
    grammar: &Grammar,
) -> Vec<Result<Piece, Problem>> {
    let tokens: Vec<TokenTree> = literal::ungroup(piece.tokens).into_iter().collect();
    let starts_argument = |at: usize| match (&tokens[at], tokens.get(at + 1)) {
        (TokenTree::Ident(key), Some(TokenTree::Punct(equals))) => {
            equals.as_char() == '=' && grammar.known.iter().any(|known| key == known.name)
        }
        _ => false,
    };
    let starts: Vec<usize> = (1..tokens.len()).filter(|at| starts_argument(*at)).collect();
    let mut pieces = Vec::new();
    let mut from = 0;
    for &at in &starts {
        pieces
            .push(Ok(Piece { tokens: tokens[from..at].iter().cloned().collect(), end: piece.end }));
        let message = format!("expected a comma before argument `{}`", tokens[at]);
        pieces.push(Err(Problem::new(&tokens[at], message)));
        from = at;
    }
    pieces.push(Ok(Piece { tokens: tokens[from..].iter().cloned().collect(), end: piece.end }));
    pieces
}

/// The tokens after the name of an argument.
enum Value {
    Missing,
    Given(TokenStream),
    WithoutEquals(TokenTree),
}

fn split_at_equals(piece: &Piece, grammar: &Grammar) -> Result<(Ident, Value), Problem> {
    let mut tokens = piece.tokens.clone().into_iter();
    let Some(TokenTree::Ident(key)) = tokens.next() else {
        let message = format!("expected an argument of {}", grammar.owner);
        return Err(piece.problem(message).help("write an argument as `name = value`"));
    };
    let value = match tokens.next() {
        None => Value::Missing,
        Some(TokenTree::Punct(punct)) if punct.as_char() == '=' => {
            let value: TokenStream = tokens.collect();
            match value.clone().into_iter().next() {
                None => Value::Missing,
                // Another operator that starts with an equals sign: `==`, `=>`.
                Some(TokenTree::Punct(more))
                    if punct.spacing() == Spacing::Joint && more.as_char() != '-' =>
                {
                    Value::WithoutEquals(TokenTree::Punct(punct))
                }
                Some(_) => Value::Given(value),
            }
        }
        Some(other) => Value::WithoutEquals(other),
    };
    Ok((key, value))
}

fn check(
    key: &Ident,
    value: Value,
    grammar: &Grammar,
    repeated: bool,
) -> Result<Argument, Problem> {
    let Some(known) = grammar.known.iter().find(|known| key == known.name) else {
        return Err(unknown(key, grammar));
    };
    if repeated {
        let problem = Problem::new(key, format!("argument `{key}` is given more than once"));
        return Err(problem.help("remove one of them"));
    }
    let write = format!("write `{}`", known.example);
    match value {
        Value::Given(value) => Ok(Argument { key: key.clone(), value }),
        Value::Missing => {
            Err(Problem::new(key, format!("argument `{key}` needs a value")).help(write))
        }
        Value::WithoutEquals(token) => {
            Err(Problem::new(token, format!("expected `=` after argument `{key}`")).help(write))
        }
    }
}

fn unknown(key: &Ident, grammar: &Grammar) -> Problem {
    let message = format!("unknown argument `{key}` for {}", grammar.owner);
    let listed = grammar.known.iter().filter(|known| known.listed);
    let names: Vec<&str> = listed.map(|known| known.name).collect();
    let help = match suggest::nearest(&key.to_string(), names.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.len() == 1 => format!("the only argument is {}", literal::listed(&names)),
        None => format!("the arguments are {}", literal::listed(&names)),
    };
    Problem::new(key, message).help(help)
}
