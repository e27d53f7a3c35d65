//! `cargo xtask test`: every check of the project, one after the other.

mod cfg_sites;
mod direction;
mod examples;
mod facade;
mod features;
mod package;
mod step;
pub(crate) mod tools;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use self::step::Step;

/// Missing programs are installed; where that is not possible, they are named.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The steps to run; all when none is named
    steps: Vec<Step>,
    /// Run the other steps, too, when one has failed
    #[arg(long)]
    keep_going: bool,
    /// Show the steps and their commands, and run nothing
    #[arg(long)]
    list: bool,
}

/// A step that has been run.
struct Done {
    step: Step,
    passed: bool,
    time: Duration,
}

/// Runs the steps, always in the same order.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let chosen = |step: &Step| arguments.steps.is_empty() || arguments.steps.contains(step);
    let steps: Vec<Step> = Step::ALL.into_iter().filter(chosen).collect();
    if arguments.list {
        return list(&steps);
    }
    tools::provide(&steps)?;
    let mut done: Vec<Done> = Vec::new();
    for &step in &steps {
        done.push(execute(step));
        if done.iter().any(|done| !done.passed) && !arguments.keep_going {
            break;
        }
    }
    report(&steps, &done)
}

fn list(steps: &[Step]) -> Result<()> {
    for step in steps {
        println!("{}: {}", step.name(), step.purpose());
        for command in step.commands()? {
            println!("    $ {}", crate::command::shown(&command));
        }
    }
    Ok(())
}

fn execute(step: Step) -> Done {
    eprintln!("\n==> {}: {}", step.name(), step.purpose());
    let start = Instant::now();
    let ended = step.run();
    let time = start.elapsed();
    match &ended {
        Ok(()) => eprintln!("    passed in {}", seconds(time)),
        Err(error) => eprintln!("\nerror: {error:#}"),
    }
    Done { step, passed: ended.is_ok(), time }
}

fn report(steps: &[Step], done: &[Done]) -> Result<()> {
    eprintln!();
    for &step in steps {
        let result = match done.iter().find(|done| done.step == step) {
            Some(Done { passed: true, time, .. }) => format!("passed  {:>9}", seconds(*time)),
            Some(Done { passed: false, time, .. }) => format!("FAILED  {:>9}", seconds(*time)),
            None => "not run".to_owned(),
        };
        eprintln!("{:<10} {result}", step.name());
    }
    let total = done.iter().map(|done| done.time).sum();
    eprintln!("{:<10} {:>17}", "total", seconds(total));
    let failed = done.iter().filter(|done| !done.passed);
    let failed: Vec<String> = failed.map(|done| done.step.name()).collect();
    if !failed.is_empty() {
        let names = failed.join(" ");
        bail!("failed: {names}\n\nhint: `cargo xtask test {names}` runs only this");
    }
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
