//! Lists as written in attributes: the pieces between commas.

use proc_macro2::{Span, TokenStream, TokenTree};

use crate::diagnostics::Problem;

/// The tokens between two commas.
pub(crate) struct Piece {
    /// The tokens; there may be none.
    pub(crate) tokens: TokenStream,
    /// The comma that ends it, or the end of the list.
    pub(crate) end: Span,
}

impl Piece {
    /// A problem with the whole piece, also when there is nothing in it.
    pub(crate) fn problem(&self, message: impl Into<String>) -> Problem {
        if self.tokens.is_empty() {
            Problem::at(self.end, message)
        } else {
            Problem::new(&self.tokens, message)
        }
    }
}

/// Splits tokens at their top-level commas. A trailing comma does not make an empty last piece.
pub(crate) fn split_at_commas(tokens: TokenStream) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut current = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Punct(comma) if comma.as_char() == ',' => {
                pieces.push(Piece { tokens: std::mem::take(&mut current), end: comma.span() });
            }
            token => current.extend([token]),
        }
    }
    if !current.is_empty() {
        pieces.push(Piece { tokens: current, end: Span::call_site() });
    }
    pieces
}
