//! `chutes exec`: one run of a spec, on this machine.

use std::io::{self, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use chutes_compute_horde::CLASSES;
use chutes_core::{ExitCode, JobSpec, Work};
use chutes_engine::{EngineSettings, Pull};
use chutes_supervisor::Supervisor;
use chutes_supervisor::logs::LogCap;
use chutes_supervisor::worker::ContainerStarter;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};

use super::access::AccessArguments;
use super::observe::EventTarget;
use super::problem::Problem;
use super::session::{self, Session};
use super::specs::{self, VolumeArguments};

/// The arguments of `chutes exec`.
#[derive(Debug, Args)]
#[command(after_help = super::arguments::EXIT_CODES)]
pub struct ExecArguments {
    /// The spec: a JSON file, or `-` for standard input
    #[arg(value_name = "SPEC", value_hint = ValueHint::FilePath)]
    spec: String,
    /// The directory of the run: new, empty, or with nothing but `inputs/` in it
    /// [default: runs/NAME-ID]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    run_dir: Option<PathBuf>,
    /// When the image is pulled: when it is not there, always, or never
    #[arg(long, default_value = "missing", value_parser = pull())]
    pull: Pull,
    /// How much is kept of each of the two streams that the job prints to [default: 256MiB]
    ///
    /// Of more than that, the beginning and the end are kept.
    #[arg(long, value_name = "SIZE", value_parser = super::arguments::log_cap)]
    log_limit: Option<LogCap>,
    #[command(flatten)]
    volumes: VolumeArguments,
    #[command(flatten)]
    access: AccessArguments,
    /// Write everything that happens to this file, one JSON object per line
    #[arg(long, value_name = "FILE|fd:N", value_parser = EventTarget::parse, value_hint = ValueHint::FilePath)]
    events: Option<EventTarget>,
    /// Write what the run returns to this file: what it printed, its artifacts, the answers to its uploads
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    result: Option<PathBuf>,
    /// Print the outcome as one line of JSON
    #[arg(long)]
    json: bool,
}

/// When an image is pulled, by its names.
fn pull() -> impl TypedValueParser<Value = Pull> {
    let help = ["When it is not there", "Each time: there may be a newer one of the same name"];
    let help = help.into_iter().chain(["Never: it must be there"]);
    let values = Pull::NAMES.into_iter().zip(help);
    let values = values.map(|(name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values.collect::<Vec<_>>()).try_map(|name| name.parse::<Pull>())
}

/// Carries the command out, up to the exit code of the outcome. An app runs its own job: then this
/// process becomes that of the app.
pub(super) fn exec(arguments: &ExecArguments) -> Result<ExitCode, Problem> {
    let spec = specs::read(&arguments.spec)?;
    match &spec.work {
        Work::Image { .. } => run_image(spec, arguments),
        Work::Job { app: Some(app), job, .. } => {
            let (app, job) = (app.clone(), job.to_string());
            become_app(&app, &job, &spec, arguments)
        }
        Work::Job { app: None, .. } => {
            Err(Problem::wrong("the spec does not say which app has the job")
                .hint("give the path of its binary as `app`, or an `image`"))
        }
    }
}

fn run_image(mut spec: JobSpec, arguments: &ExecArguments) -> Result<ExitCode, Problem> {
    let name = spec.target().short_name().to_owned();
    let title = format!("image `{}`", spec.target());
    arguments.access.apply(&mut spec)?;
    let attempt = Supervisor::new(Supervisor::new_id(), spec, "")
        .classes(&CLASSES)
        .access(arguments.access.settings())
        .addresses(arguments.volumes.addresses.policy());
    let attempt = match arguments.volumes.settings()? {
        Some(settings) => attempt.volume_settings(settings),
        None => attempt,
    };
    let directory = session::directory(arguments.run_dir.clone(), &name, attempt.id());
    let session = Session {
        title,
        events: arguments.events.clone(),
        result: arguments.result.clone(),
        log_cap: arguments.log_limit.unwrap_or_default(),
        json: arguments.json,
    };
    let engine = EngineSettings { pull: arguments.pull, ..EngineSettings::default() };
    session.run(attempt.directory(directory), |output| ContainerStarter { engine, output })
}

/// Never returns when it succeeds.
fn become_app(
    app: &str,
    job: &str,
    spec: &JobSpec,
    arguments: &ExecArguments,
) -> Result<ExitCode, Problem> {
    let platform = |error: io::Error| Problem::platform(&error);
    let mut command = Command::new(app);
    command.args(["run", job, "--spec", "-"]);
    if let Some(dir) = &arguments.run_dir {
        command.arg("--run-dir").arg(dir);
    }
    if let Some(cap) = arguments.log_limit {
        command.arg("--log-limit").arg(cap.bytes().to_string());
    }
    if let Some(events) = &arguments.events {
        command.arg("--events").arg(events.as_argument());
    }
    if let Some(result) = &arguments.result {
        command.arg("--result").arg(result);
    }
    if arguments.json {
        command.arg("--json");
    }
    arguments.volumes.forward(&mut command);
    arguments.access.forward(&mut command);
    command.stdin(in_memory(spec).map_err(platform)?);
    let error = command.exec();
    Err(Problem::wrong(format!("cannot start the app `{app}`: {error}"))
        .hint("`app` is the path of a job binary, relative to the current directory"))
}

/// A spec may hold secrets, so that it is not an argument, and no file with a name.
fn in_memory(spec: &JobSpec) -> io::Result<std::fs::File> {
    let memory = rustix::fs::memfd_create("spec", rustix::fs::MemfdFlags::CLOEXEC)?;
    let mut file = std::fs::File::from(memory);
    file.write_all(&serde_json::to_vec(spec)?)?;
    file.rewind()?;
    Ok(file)
}
