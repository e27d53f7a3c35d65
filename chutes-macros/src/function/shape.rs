//! The shapes that a job or a hook may have.

use chutes_rules::rule;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, FnArg, ReturnType, Signature, Type};

use super::Function;
use super::borrow;
use super::item::{self, Item};
use crate::diagnostics::{Diagnostics, Problem};
use crate::{doc, literal};

/// A kind of function: its words in messages, and the signature that it may have.
pub(crate) struct Shape {
    /// The noun before the name, for instance `job`.
    pub(crate) noun: &'static str,
    /// The signature that it must have, for a note.
    pub(crate) note: &'static str,
    /// The fewest and the most parameters.
    pub(crate) parameters: (usize, usize),
    /// What the user can do when there are too many parameters.
    pub(crate) too_many: &'static str,
    /// A return type, for help.
    pub(crate) returns: &'static str,
}

/// Checks that the item is a function of this shape.
pub(super) fn check(
    item: &Item,
    attribute: &str,
    shape: &Shape,
    problems: &mut Diagnostics,
) -> Option<Function> {
    let Some(signature) = &item.signature else {
        problems.add(item::not_a_function(&item.rest, attribute));
        return None;
    };
    let has_body = item.rest.to_string() != ";";
    let named = Named { shape, name: signature.ident.unraw().to_string(), has_body };
    named.check_attributes(&item.attributes, attribute, problems);
    named.check_modifiers(signature, problems);
    named.check_name(signature, problems);
    named.check_generics(signature, problems);
    named.check_place(signature, problems);
    let parameters = named.check_parameters(signature, problems);
    let returns = named.check_return(signature, problems);
    if let Some(clause) = &signature.generics.where_clause {
        problems.add(Problem::new(clause, named.cannot("have a `where` clause")));
    }
    // What takes `self` is told already to leave its trait.
    if !has_body && signature.receiver().is_none() {
        let problem = Problem::new(&item.rest, named.must("have a body"));
        let help = format!("write the {} with its body, outside of any `trait`", shape.noun);
        problems.add(problem.help(help));
    }
    let (ident, summary) = (signature.ident.clone(), doc::summary(&item.attributes));
    Some(Function { ident, parameters, returns: returns?, summary })
}

/// A function with its words in messages.
struct Named<'a> {
    shape: &'a Shape,
    name: String,
    /// Without one, it is most likely declared in a trait.
    has_body: bool,
}

impl Named<'_> {
    fn cannot(&self, what: &str) -> String {
        format!("{} `{}` cannot {what}", self.shape.noun, self.name)
    }

    fn must(&self, what: &str) -> String {
        format!("{} `{}` must {what}", self.shape.noun, self.name)
    }

    /// A second attribute of the same name would register the function twice.
    fn check_attributes(&self, list: &[Attribute], attribute: &str, problems: &mut Diagnostics) {
        let is_same = |other: &&Attribute| {
            other.path().segments.last().is_some_and(|segment| segment.ident == attribute)
        };
        for again in list.iter().filter(is_same) {
            let message = self.cannot(&format!("have the `{attribute}` attribute twice"));
            problems.add(Problem::new(again, message).help("remove one of them"));
        }
        for other in list.iter().filter(|other| item::is_entry_point(other.path())) {
            let path = other.path();
            let path = quote::quote!(#path).to_string().replace(' ', "");
            let message = self.cannot(&format!("have the attribute `{path}`"));
            let help = format!(
                "remove it: chutes starts the runtime in which the {} runs",
                self.shape.noun
            );
            problems.add(Problem::new(other, message).help(help));
        }
    }

    fn check_modifiers(&self, signature: &Signature, problems: &mut Diagnostics) {
        if let Some(token) = &signature.constness {
            problems.add(Problem::new(token, self.cannot("be a `const fn`")));
        }
        let safety = signature.safety.to_token_stream();
        if !safety.is_empty() {
            problems.add(Problem::new(&safety, self.cannot(&format!("be an `{safety} fn`"))));
        }
        if let Some(abi) = &signature.abi {
            problems.add(Problem::new(abi, self.cannot("be an `extern fn`")));
        }
        if signature.asyncness.is_none() && signature.constness.is_none() {
            let problem = Problem::new(signature.fn_token, self.must("be an `async fn`"));
            problems.add(problem.help(format!("write `async fn {}`", signature.ident)));
        }
    }

    fn check_name(&self, signature: &Signature, problems: &mut Diagnostics) {
        if !rule::is_job_name(&self.name) {
            let message = format!("the name of this {} is too long", self.shape.noun);
            let note = format!("a name has at most {} bytes", rule::MAX_JOB_NAME_BYTES);
            problems.add(Problem::new(&signature.ident, message).note(note));
        }
    }

    fn check_generics(&self, signature: &Signature, problems: &mut Diagnostics) {
        if !signature.generics.params.is_empty() {
            problems.add(self.generic(&signature.generics));
        }
    }

    /// `Self` means something in an `impl` block or a trait only, which is all that can be seen of them from inside.
    fn check_place(&self, signature: &Signature, problems: &mut Diagnostics) {
        if signature.receiver().is_some() {
            return;
        }
        let (inputs, output) = (&signature.inputs, &signature.output);
        if let Some(place) = literal::find(quote::quote!(#inputs #output), "Self") {
            let problem = Problem::new(place, self.cannot("use `Self`"));
            problems.add(problem.help(self.move_out()));
        }
    }

    fn move_out(&self) -> String {
        let place = if self.has_body { "`impl` block" } else { "`trait`, and give it a body" };
        format!("move the {} out of the {place}", self.shape.noun)
    }

    fn generic(&self, place: impl ToTokens) -> Problem {
        Problem::new(place, self.cannot("be generic")).note(format!(
            "a {} is registered once, under one name, so its types must be known",
            self.shape.noun
        ))
    }

    fn check_parameters(&self, signature: &Signature, problems: &mut Diagnostics) -> Vec<Type> {
        let (fewest, most) = self.shape.parameters;
        if signature.inputs.len() < fewest {
            let place = signature.paren_token.span.join();
            let problem = Problem::at(place, self.must("take a `JobContext`"));
            problems.add(problem.note(self.shape.note));
        }
        let mut types = Vec::new();
        for (at, parameter) in signature.inputs.iter().enumerate() {
            match parameter {
                FnArg::Receiver(receiver) => {
                    let problem = Problem::new(receiver, self.cannot("take `self`"));
                    problems.add(problem.help(self.move_out()));
                    return types;
                }
                FnArg::Typed(named) => {
                    self.check_parameter(&named.attrs, &named.ty, at, problems);
                    types.push((*named.ty).clone());
                }
            }
            if at == most {
                let message =
                    format!("{} `{}` takes too many parameters", self.shape.noun, self.name);
                let problem = Problem::new(parameter, message).note(self.shape.note);
                problems.add(problem.help(self.shape.too_many));
                break;
            }
        }
        types
    }

    fn check_parameter(
        &self,
        attributes: &[Attribute],
        ty: &Type,
        at: usize,
        problems: &mut Diagnostics,
    ) {
        let is_cfg =
            |found: &&Attribute| ["cfg", "cfg_attr"].iter().any(|n| found.path().is_ident(n));
        if let Some(cfg) = attributes.iter().find(is_cfg) {
            problems.add(Problem::new(cfg, self.cannot("have a conditional parameter")));
        }
        if mentions_impl(ty) {
            problems.add(self.generic(ty));
        } else if let Some(place) = borrow::find(ty).filter(|_| at == 1) {
            let problem = Problem::new(place, self.cannot("borrow its data"));
            problems.add(problem.help("take an owned type, for example `String` for `&str`"));
        }
    }

    fn check_return(&self, signature: &Signature, problems: &mut Diagnostics) -> Option<Type> {
        match &signature.output {
            ReturnType::Default => {
                let place = signature.paren_token.span.close();
                let help = format!("add a return type, for example `-> {}`", self.shape.returns);
                problems.add(Problem::at(place, self.must("return a `Result`")).help(help));
                None
            }
            ReturnType::Type(_, returned) if mentions_impl(returned) => {
                // That `fn name() -> impl Future` must be an `async fn` is reported already.
                if signature.asyncness.is_some() {
                    problems.add(self.generic(returned));
                }
                None
            }
            ReturnType::Type(_, returned) => Some((**returned).clone()),
        }
    }
}

/// Whether a type has `impl Trait` anywhere in it.
fn mentions_impl(ty: &Type) -> bool {
    literal::mentions(ty.to_token_stream(), "impl")
}
