//! `completions`: scripts that complete the commands, the jobs of this binary, and the options of their data.

use clap::Command;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

use super::options;
use crate::registry::Registry;

/// The script for a shell.
pub(super) fn script(command: Command, registry: &Registry, shell: Shell) -> String {
    // In bash, the script of clap_complete 4.6 finds no subcommand of a binary with `-` in its name, because it
    // escapes the sign in two ways. So the script is generated for a placeholder, which is then replaced.
    const PLACEHOLDER: &str = "chutesjobbinary";
    let jobs = registry.jobs().iter().map(|job| job.name().to_string());
    let jobs = PossibleValuesParser::new(jobs);
    let name = command.get_name().to_owned();
    let mut command = command
        .name(PLACEHOLDER)
        .mut_subcommand("run", |_| options::completed(registry.jobs()))
        .mut_subcommand("describe", |describe| {
            describe.mut_arg("job", |job| job.value_parser(jobs))
        });
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, PLACEHOLDER, &mut script);
    String::from_utf8_lossy(&script).replace(PLACEHOLDER, &name)
}
