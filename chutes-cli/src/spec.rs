//! `chutes spec`: checks specs, prints their JSON Schema, prints an example.

use chutes_compute_horde::CLASSES;
use chutes_console::{Problem, check_spec, json_line, print};
use chutes_core::{ClassProfile, JobSpec};
use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

/// What can be done with specs.
#[derive(Debug, Subcommand)]
pub(crate) enum SpecCommand {
    /// Say everything that is wrong with a spec, each with its place; 0 when nothing is, else 2
    Validate {
        /// The spec: a JSON file, or `-` for standard input
        spec: String,
        /// Print the spec as it was understood, with all defaults and without secrets
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of specs
    Schema,
    /// Print a spec that shows what can be said
    Example {
        /// What it runs
        #[arg(value_enum, default_value = "image")]
        of: Example,
    },
}

/// What an example runs.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Example {
    /// A container image
    Image,
    /// A job of an app
    Job,
    /// A container image, in the form of the ComputeHorde API
    ComputeHorde,
}

impl Example {
    const fn text(self) -> &'static str {
        match self {
            Self::Image => include_str!("example/image.json"),
            Self::Job => include_str!("example/job.json"),
            Self::ComputeHorde => include_str!("example/compute_horde.json"),
        }
    }
}

/// Carries the command out.
pub(crate) fn run(command: &SpecCommand) -> Result<(), Problem> {
    match command {
        SpecCommand::Validate { spec, json } => validate(spec, *json),
        SpecCommand::Schema => print(&format!("{:#}\n", schema())),
        SpecCommand::Example { of } => print(of.text()),
    }
}

/// The schema of specs, with the classes that there are.
fn schema() -> Value {
    let mut schema = schemars::schema_for!(JobSpec).to_value();
    if let Some(class) = schema.pointer_mut("/properties/executor_class") {
        let names = CLASSES.iter().chain(&ClassProfile::BUILT_IN).map(|class| json!(class.name));
        class["enum"] = names.chain([Value::Null]).collect();
    }
    schema
}

fn validate(from: &str, json: bool) -> Result<(), Problem> {
    let spec = check_spec(from)?;
    if json {
        return print(&json_line(&spec.without_secrets())?);
    }
    print(&format!("the spec is in order: it runs {}\n", spec.target()))
}

#[cfg(test)]
mod tests {
    use chutes_supervisor::rules_with_contents;

    use super::*;

    #[test]
    fn examples_are_specs() {
        for example in Example::value_variants() {
            let spec =
                chutes_compute_horde::read_spec(example.text(), rules_with_contents(&CLASSES));
            assert!(spec.is_ok(), "{example:?}: {spec:?}");
        }
    }

    #[test]
    fn the_schema_names_the_classes() {
        let schema = schema();
        let names = schema.pointer("/properties/executor_class/enum").unwrap().as_array().unwrap();
        assert_eq!(names.len(), CLASSES.len() + ClassProfile::BUILT_IN.len() + 1);
    }
}
