//! `#[job]`: its arguments, their rules, its expansion.

mod expand;
mod port;
mod timeout;

use chutes_rules::{Port, TimeLimit};
use proc_macro2::TokenStream;
use syn::Lit;

use crate::argument::{Argument, Arguments, Grammar, Known};
use crate::crate_path::{self, HostCrate};
use crate::diagnostics::{Diagnostics, Problem};
use crate::function::{self, Shape};
use crate::literal;

const ATTRIBUTE: &str = "job";

const GRAMMAR: Grammar = Grammar {
    owner: "the `job` attribute",
    known: &[
        Known { name: "ports", example: "ports = [http(\"web\", 8080)]", listed: true },
        Known { name: "timeout", example: "timeout = 3_600", listed: true },
        Known { name: "upload", example: "upload = false", listed: true },
        Known { name: "ssh", example: "ssh = true", listed: true },
        Known { name: "crate", example: "crate = ::my_chutes", listed: false },
    ],
};

const SHAPE: Shape = Shape {
    noun: "job",
    note: "a job has the shape `async fn name(ctx: JobContext, data: T) -> Result<R, E>`",
    parameters: (1, 2),
    too_many: "put what the job needs into one struct as its data",
    returns: "Result<(), JobError>",
};

/// The arguments of a job, validated.
pub(crate) struct JobAttribute {
    /// The ports as declared, without the one that `ssh` adds.
    pub(crate) ports: Vec<Port>,
    /// The time limit.
    pub(crate) timeout: Option<TimeLimit>,
    /// Whether outputs are uploaded.
    pub(crate) upload: bool,
    /// Whether there is SSH.
    pub(crate) ssh: bool,
    /// The path of chutes.
    pub(crate) krate: TokenStream,
}

impl JobAttribute {
    /// Reads and checks the tokens between the parentheses. A value that is wrong is reported and
    /// replaced by its default.
    pub(crate) fn read(tokens: TokenStream, host: HostCrate, problems: &mut Diagnostics) -> Self {
        let arguments = Arguments::read(tokens, &GRAMMAR);
        // Ports are checked against `ssh`, wherever it stands.
        let ssh = arguments.get("ssh").is_some_and(|argument| flag(argument).unwrap_or(false));
        let krate = host.path();
        let mut attribute = Self { ports: Vec::new(), timeout: None, upload: true, ssh, krate };
        arguments.report(problems, |argument, problems| attribute.set(&argument, problems));
        attribute
    }

    fn set(&mut self, argument: &Argument, problems: &mut Diagnostics) {
        let key = argument.key.to_string();
        match key.as_str() {
            "ports" => self.ports = port::read_list(&argument.value, self.ssh, problems),
            "timeout" => self.timeout = problems.keep(timeout::read(&argument.value)),
            "upload" => self.upload = problems.keep(flag(argument)).unwrap_or(true),
            "ssh" => self.ssh = problems.keep(flag(argument)).unwrap_or(false),
            _ => {
                if let Some(path) = problems.keep(crate_path::read(argument)) {
                    self.krate = path;
                }
            }
        }
    }
}

fn flag(argument: &Argument) -> Result<bool, Problem> {
    if let Some(Lit::Bool(value)) = literal::literal(&argument.value) {
        Ok(value.value)
    } else {
        let message = format!("argument `{}` must be `true` or `false`", argument.key);
        Err(Problem::new(&argument.value, message))
    }
}

/// The attribute: the function as it was, then its registration or all problems.
pub(crate) fn job(arguments: TokenStream, item: TokenStream, host: HostCrate) -> TokenStream {
    let mut problems = Diagnostics::default();
    let attribute = JobAttribute::read(arguments, host, &mut problems);
    function::attach(item, ATTRIBUTE, &SHAPE, problems, |function| {
        expand::registration(&attribute, function)
    })
}
