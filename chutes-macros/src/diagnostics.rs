//! Problems and the sink that collects them, so that one mistake never hides another.

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

use crate::literal::ungroup;

/// One mistake: a message at some tokens, perhaps with notes and one help.
///
/// The texts are lowercase fragments without a final period.
pub(crate) struct Problem {
    tokens: TokenStream,
    /// Where to report a problem without tokens.
    fallback: Span,
    text: String,
}

impl Problem {
    /// A problem with these tokens. Tokens that `macro_rules!` has substituted are shown where they came from.
    pub(crate) fn new(tokens: impl ToTokens, message: impl Into<String>) -> Self {
        let tokens = ungroup(tokens.into_token_stream());
        Self { tokens, fallback: Span::call_site(), text: message.into() }
    }

    /// A problem at a span, for places that are not tokens of their own.
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        Self { tokens: TokenStream::new(), fallback: span, text: message.into() }
    }

    /// Adds the rule, or other context.
    pub(crate) fn note(self, note: impl AsRef<str>) -> Self {
        self.line("note", note.as_ref())
    }

    /// Adds the one change that the user can make.
    pub(crate) fn help(self, help: impl AsRef<str>) -> Self {
        self.line("help", help.as_ref())
    }

    /// Adds help when there is some.
    pub(crate) fn maybe_help(self, help: Option<String>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// The compiler indents the further lines of a message, so that this looks like its own.
    fn line(mut self, kind: &str, text: &str) -> Self {
        self.text.push_str("\n= ");
        self.text.push_str(kind);
        self.text.push_str(": ");
        self.text.push_str(text);
        self
    }

    fn into_error(self) -> syn::Error {
        if self.tokens.is_empty() {
            syn::Error::new(self.fallback, self.text)
        } else {
            syn::Error::new_spanned(self.tokens, self.text)
        }
    }
}

/// All problems of one attribute, in source order.
#[must_use]
#[derive(Default)]
pub(crate) struct Diagnostics {
    problems: Vec<Problem>,
}

impl Diagnostics {
    /// Records a problem.
    pub(crate) fn add(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Records the problem of a failed step and lets the caller go on without its value.
    pub(crate) fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.add(problem)).ok()
    }

    /// Whether there is no problem.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Ends the collection: one `compile_error!` for each problem.
    pub(crate) fn into_compile_errors(self) -> TokenStream {
        self.problems.into_iter().map(|problem| problem.into_error().into_compile_error()).collect()
    }

    /// The first line of each problem.
    #[cfg(test)]
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.problems.iter().filter_map(|problem| problem.text.lines().next()).collect()
    }
}
