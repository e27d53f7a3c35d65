//! `#[on_startup]` and `#[on_shutdown]`: arguments, rules, expansion.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Lit;

use crate::argument::{Argument, Arguments, Grammar, Known};
use crate::crate_path::{self, HostCrate};
use crate::diagnostics::{Diagnostics, Problem};
use crate::function::{self, Function, Shape};
use crate::literal;

/// The priority of a hook that gives none, as in Chutes.
const DEFAULT_PRIORITY: i32 = 50;

/// When a hook runs.
#[derive(Clone, Copy)]
pub(crate) enum HookKind {
    /// Before the job.
    Startup,
    /// After the job.
    Shutdown,
}

const KNOWN: &[Known] = &[
    Known { name: "priority", example: "priority = 10", listed: true },
    Known { name: "crate", example: "crate = ::my_chutes", listed: false },
];

impl HookKind {
    const fn attribute(self) -> &'static str {
        match self {
            Self::Startup => "on_startup",
            Self::Shutdown => "on_shutdown",
        }
    }

    const fn grammar(self) -> Grammar {
        let owner = match self {
            Self::Startup => "the `on_startup` attribute",
            Self::Shutdown => "the `on_shutdown` attribute",
        };
        Grammar { owner, known: KNOWN }
    }

    const fn shape(self) -> Shape {
        let (noun, note) = match self {
            Self::Startup => (
                "startup hook",
                "a startup hook has the shape `async fn name(ctx: JobContext) -> Result<S, E>`",
            ),
            Self::Shutdown => (
                "shutdown hook",
                "a shutdown hook has the shape `async fn name(ctx: JobContext) -> Result<(), E>`",
            ),
        };
        Shape {
            noun,
            note,
            parameters: (0, 1),
            too_many: "take everything from the `JobContext`",
            returns: "Result<(), JobError>",
        }
    }
}

/// The attribute: the function as it was, then its registration or all problems.
pub(crate) fn hook(
    arguments: TokenStream,
    item: TokenStream,
    kind: HookKind,
    host: HostCrate,
) -> TokenStream {
    let mut problems = Diagnostics::default();
    let grammar = kind.grammar();
    let mut priority = DEFAULT_PRIORITY;
    let mut krate = host.path();
    Arguments::read(arguments, &grammar).report(&mut problems, |argument, problems| {
        if argument.key == "priority" {
            priority = problems.keep(read_priority(&argument)).unwrap_or(priority);
        } else if let Some(path) = problems.keep(crate_path::read(&argument)) {
            krate = path;
        }
    });
    function::attach(item, kind.attribute(), &kind.shape(), problems, |function| {
        registration(kind, &krate, function, priority)
    })
}

fn read_priority(argument: &Argument) -> Result<i32, Problem> {
    let number = match literal::literal(&argument.value) {
        Some(Lit::Int(number)) if literal::has_plain_suffix(&number) => number,
        _ => {
            let message = "argument `priority` must be a whole number";
            let problem = Problem::new(&argument.value, message).note(ORDER);
            return Err(problem.help("write, for example, `priority = 10`"));
        }
    };
    number.base10_parse().map_err(|_| {
        let message = format!("priority {} is out of range", number.base10_digits());
        Problem::new(&argument.value, message).note(format!(
            "a priority is between {} and {}",
            i32::MIN,
            i32::MAX
        ))
    })
}

const ORDER: &str =
    "startup hooks run from the lowest priority to the highest, shutdown hooks the other way round";

fn registration(
    kind: HookKind,
    krate: &TokenStream,
    function: &Function,
    priority: i32,
) -> TokenStream {
    let name = function.name();
    let run = run(kind, function);
    let definition = match kind {
        HookKind::Startup => quote!(StartupHook),
        HookKind::Shutdown => quote!(ShutdownHook),
    };
    quote! {
        #[allow(deprecated)]
        const _: () = {
            use #krate::__private as __chutes;
            __chutes::inventory::submit! {
                __chutes::#definition {
                    name: #name,
                    priority: #priority,
                    source: __chutes::source_location!(),
                    run: #run,
                }
            }
        };
    }
}

/// The call has the place of the function's name, where the compiler complains about its future.
fn run(kind: HookKind, function: &Function) -> TokenStream {
    let Function { ident, parameters, returns, .. } = function;
    let place = Span::call_site().located_at(ident.span());
    let start = match kind {
        HookKind::Startup => quote_spanned!(place=> __chutes::startup),
        HookKind::Shutdown => quote_spanned!(place=> __chutes::shutdown),
    };
    // The function may have the name of the closure's parameter; this name cannot collide.
    let given = Ident::new("__context", Span::mixed_site());
    if let Some(context) = parameters.first() {
        quote_spanned! {place=>
            |#given| #start::<#context, #returns, _>(#given, #ident)
        }
    } else {
        quote_spanned! {place=>
            |#given| #start::<__chutes::JobContext, #returns, _>(#given, |_| #ident())
        }
    }
}
