//! The options of `run JOB` that the type of the job's data gives: one for each field that text can set.
//!
//! They are made for the job that the arguments name, before the arguments are parsed.

mod argument;
mod find;
mod given;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;

use chutes_console::EXIT_CODES;
use chutes_core::Json;
use clap::{Arg, ArgAction, Args, Command};

use self::argument::{argument, named, offered};
pub(super) use self::find::job_word;
pub(super) use self::given::Given;
use super::arguments;
use super::fields::{Field, Fields, Shape};
use super::type_name::without_schema;
use crate::registry::Job;
use crate::schema::TypeSchema;

/// The options of one job.
#[derive(Debug)]
pub(super) struct DataOptions {
    job: String,
    summary: String,
    /// The names of options with their fields, in the order of the type.
    options: Vec<(String, Field)>,
    /// Fields for which there is no option, with what they are, or the reason.
    without: Vec<(String, String)>,
    /// What is said in place of options.
    remark: Option<String>,
}

impl DataOptions {
    /// The options of a job. Those of `run` itself keep their meaning.
    pub(super) fn of(job: &Job) -> Self {
        let (name, summary) = (job.name().as_str(), job.summary());
        match job.data_type() {
            TypeSchema::Known(schema) => Self::from_schema(name, summary, &schema),
            TypeSchema::NoData => Self::none(name, summary, "The job takes no data.".to_owned()),
            TypeSchema::Unknown(path) => {
                let reason = without_schema(path);
                let remark =
                    format!("Its data has no options ({reason}); `--data` and `--set` take it.");
                Self::none(name, summary, remark)
            }
        }
    }

    fn none(job: &str, summary: &str, remark: String) -> Self {
        Self {
            job: job.to_owned(),
            summary: summary.to_owned(),
            options: Vec::new(),
            without: Vec::new(),
            remark: Some(remark),
        }
    }

    fn from_schema(job: &str, summary: &str, schema: &Json) -> Self {
        let taken = own_names();
        let mut all = Self { remark: None, ..Self::none(job, summary, String::new()) };
        for field in Fields::of(schema).list {
            // The platform's keys are not decoded, and what is in a list or a map is described with it.
            let is_ours = field.path.first().is_some_and(|name| name.starts_with('_'));
            if is_ours || !field.is_single || field.shape == Shape::Object {
                continue;
            }
            let option = option_name(&field);
            if !field.is_settable() {
                let name = if field.path.is_empty() { "the data".into() } else { field.name() };
                all.without.push((name, field.shape.type_text()));
            } else if taken.contains(&option) {
                all.without.push((field.name(), format!("`--{option}` is an option of `run`")));
            } else if all.options.iter().any(|(other, _)| *other == option) {
                all.without.push((field.name(), format!("`--{option}` is another field")));
            } else {
                all.options.push((option, field));
            }
        }
        all
    }

    /// The command `run` with these options before its own.
    pub(super) fn command(&self, program: &str) -> Command {
        let about = [Some(self.summary.as_str()).filter(|text| !text.is_empty())];
        let about = about.into_iter().chain([self.remark.as_deref()]).flatten();
        let about = about.collect::<Vec<_>>().join("\n\n");
        let command = Command::new("run")
            .disable_help_flag(true)
            .args(self.arguments())
            .override_usage(format!("{program} run {} [OPTIONS]", self.job));
        let command = arguments::Run::augment_args(command).about(about.clone()).long_about(about);
        let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
        let help = help.help("Print help (see a summary with '-h')");
        let command = command.arg(help).mut_args(|argument| match argument.get_id().as_str() {
            // The usage shows the one, and the other is for commands without a job.
            "job" | "request" => argument.hide(true),
            _ if argument.get_help_heading().is_none() => argument.help_heading("Options"),
            _ => argument,
        });
        command.after_help(self.after_help())
    }

    fn arguments(&self) -> Vec<Arg> {
        let heading = format!("Data of {}", self.job);
        let mut taken = own_names();
        taken.extend(self.options.iter().map(|(name, _)| name.clone()));
        let arguments = self.options.iter().map(|(name, field)| {
            let argument = argument(name, field).help_heading(heading.clone());
            // The name as the type has it, too.
            match Some(field.name()).filter(|alias| taken.insert(alias.clone())) {
                Some(alias) => argument.alias(alias),
                None => argument,
            }
        });
        arguments.collect()
    }

    fn after_help(&self) -> String {
        if self.without.is_empty() {
            return EXIT_CODES.to_owned();
        }
        let widest = self.without.iter().map(|(name, _)| name.chars().count()).max();
        let widest = widest.unwrap_or(0);
        let lines = self.without.iter().map(|(name, why)| format!("  {name:<widest$}  {why}\n"));
        let lines: String = lines.collect();
        format!("Data without options, for `--set` and `--data`:\n{lines}\n{EXIT_CODES}")
    }

    /// The name of the job.
    pub(super) fn job(&self) -> &str {
        &self.job
    }

    /// What the arguments say by these options.
    pub(super) fn given(&self, matches: &clap::ArgMatches) -> Vec<Given<'_>> {
        let Some(("run", matches)) = matches.subcommand() else { return Vec::new() };
        let given = self.options.iter().filter_map(|(name, field)| {
            let texts = matches.get_many::<OsString>(&named(name))?.cloned().collect();
            Some(Given { option: name, field, texts })
        });
        given.collect()
    }
}

/// The command `run` for completion scripts: the jobs are its subcommands, each with the options of its data.
pub(super) fn completed(jobs: &[Job]) -> Command {
    let jobs = jobs.iter().map(|job| {
        let all = DataOptions::of(job);
        let options = all.options.iter().map(|(name, field)| argument(name, &offered(field)));
        Command::new(all.job.clone())
            .about(all.summary.clone())
            .args(options.collect::<Vec<_>>())
            .args(own_arguments())
    });
    Command::new("run").about("Run a job").args(own_arguments()).subcommands(jobs)
}

/// The name of the option of a field: its path, with `-` for `_`.
fn option_name(field: &Field) -> String {
    field.name().replace('_', "-")
}

/// The options of `run` itself.
fn own_arguments() -> Vec<Arg> {
    let command = arguments::Run::augment_args(Command::new("run"));
    let own = command.get_arguments().filter(|argument| argument.get_id().as_str() != "job");
    own.cloned().collect()
}

fn own_names() -> BTreeSet<String> {
    let mut names: BTreeSet<String> = ["help".to_owned(), "version".to_owned()].into();
    for argument in own_arguments() {
        names.extend(argument.get_long().map(String::from));
        names.extend(argument.get_all_aliases().into_iter().flatten().map(String::from));
    }
    names
}
