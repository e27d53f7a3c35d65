//! The command `chutes`: runs specs on this machine, checks them, finds runs again, and puts interrupted ones in order.

mod exec;
mod spec;

use chutes_console::{CommandResult, RecoverArguments, RunsCommand, print, recover, runs};
use chutes_core::ExitCode;
use clap::{CommandFactory, Parser, Subcommand};

use self::exec::ExecArguments;

/// Runs jobs and container images as their specs say
#[derive(Debug, Parser)]
#[command(name = "chutes", version, subcommand_required = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a spec on this machine: a container image, or a job of an app
    ///
    /// The inputs are fetched, the image or the job runs within its limits, and its outputs are
    /// collected and uploaded, however it ended. An image needs Docker or Podman: `DOCKER_HOST`, or one
    /// of the usual sockets.
    Exec(Box<ExecArguments>),
    /// Check specs, and show what they can say
    #[command(subcommand)]
    Spec(spec::SpecCommand),
    /// Finish what interrupted runs have left: outcome, outputs, deliveries, containers
    Recover(RecoverArguments),
    #[command(flatten)]
    Runs(RunsCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

fn main() -> std::process::ExitCode {
    chutes_console::main(Arguments::command(), execute)
}

fn execute(arguments: Arguments) -> CommandResult {
    match arguments.command {
        Command::Exec(arguments) => return exec::exec(&arguments),
        Command::Spec(command) => spec::run(&command)?,
        Command::Recover(arguments) => return recover(&arguments),
        Command::Runs(command) => return runs(&command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "chutes", &mut script);
            print(&String::from_utf8_lossy(&script))?;
        }
    }
    Ok(ExitCode::COMPLETED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
