//! `chutes exec`: one run of a spec, on this machine.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use chutes_compute_horde::CLASSES;
use chutes_core::{EngineRequest, ExitCode, JobSpec, PullPolicy, RunRequest, Work};
use chutes_supervisor::logs::LogCap;
use chutes_supervisor::worker::ContainerStarter;
use chutes_supervisor::{Supervisor, check_volume_settings};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, ValueHint};

use super::access::AccessArguments;
use super::observe::EventTarget;
use super::problem::Problem;
use super::request;
use super::session::{self, Session};
use super::specs::{self, VolumeArguments};

/// The arguments of `chutes exec`.
#[derive(Debug, Args)]
#[command(after_help = super::arguments::EXIT_CODES)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct ExecArguments {
    /// The spec: a JSON file, or `-` for standard input
    #[arg(value_name = "SPEC", group = "what", value_hint = ValueHint::FilePath)]
    spec: Option<String>,
    /// A run request in JSON, which says everything about one attempt: a file, an open descriptor, or `-`
    /// for standard input. Of the other arguments only those about what is shown and written go with it
    #[arg(
        long,
        value_name = "FILE|fd:N|-",
        value_hint = ValueHint::FilePath,
        group = "what",
        conflicts_with_all = ["run_dir", "pull", "log_limit"]
    )]
    request: Option<String>,
    /// The directory of the run: new, empty, or with nothing but `inputs/` in it
    /// [default: runs/NAME-ID]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    run_dir: Option<PathBuf>,
    /// When the image is pulled: when it is not there, always, or never
    #[arg(long, default_value = "missing", value_parser = pull())]
    pull: PullPolicy,
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
fn pull() -> impl TypedValueParser<Value = PullPolicy> {
    let help = ["When it is not there", "Each time: there may be a newer one of the same name"];
    let help = help.into_iter().chain(["Never: it must be there"]);
    let values = PullPolicy::ALL.into_iter().zip(help);
    let values = values.map(|(pull, help)| PossibleValue::new(pull.as_str()).help(help));
    PossibleValuesParser::new(values.collect::<Vec<_>>()).try_map(|name| name.parse::<PullPolicy>())
}

/// Carries the command out, up to the exit code of the outcome. An app runs its own job: then this
/// process becomes that of the app.
pub(super) fn exec(arguments: &ExecArguments) -> Result<ExitCode, Problem> {
    let request = match (&arguments.request, &arguments.spec) {
        (Some(from), _) => request::read(from)?,
        (None, Some(from)) => build(specs::read(from)?, arguments)?,
        // The parser has seen to it that one of them is there.
        (None, None) => return Err(Problem::wrong("a spec or a run request is needed")),
    };
    match &request.spec.work {
        Work::Image { .. } => run_image(request, arguments),
        Work::Job { app: Some(app), .. } => Err(become_app(app, &request, arguments)),
        Work::Job { app: None, .. } => {
            Err(Problem::wrong("the spec does not say which app has the job")
                .hint("give the path of its binary as `app`, or an `image`"))
        }
    }
}

/// The request that a spec and the arguments stand for.
fn build(mut spec: JobSpec, arguments: &ExecArguments) -> Result<RunRequest, Problem> {
    let name = spec.target().short_name().to_owned();
    arguments.access.apply(&mut spec)?;
    let run_id = Supervisor::new_id();
    let directory = session::directory(arguments.run_dir.clone(), &name, run_id);
    Ok(RunRequest {
        access: arguments.access.request(),
        cache: arguments.volumes.cache(),
        allowed_addresses: arguments.volumes.addresses.ranges(),
        engine: EngineRequest { pull: arguments.pull, ..EngineRequest::default() },
        log_limit: arguments.log_limit.map(LogCap::bytes),
        ..RunRequest::new(run_id, spec, directory)
    })
}

fn run_image(request: RunRequest, arguments: &ExecArguments) -> Result<ExitCode, Problem> {
    check_volume_settings().map_err(Problem::wrong)?;
    let session = Session {
        title: format!("image `{}`", request.spec.target()),
        events: arguments.events.clone(),
        result: arguments.result.clone(),
        log_cap: request::log_cap(&request)?,
        json: arguments.json,
    };
    let engine = request.engine.clone();
    let attempt = Supervisor::new(request).classes(&CLASSES);
    session.run(attempt, |output| ContainerStarter { engine, output })
}

/// Starts the app in place of this program, which reads the same request. Returns only when that fails.
fn become_app(app: &str, request: &RunRequest, arguments: &ExecArguments) -> Problem {
    let request = match in_memory(request) {
        Ok(request) => request,
        Err(problem) => return problem,
    };
    let mut command = Command::new(app);
    command.args(["run", "--request", "-"]).stdin(request);
    if let Some(events) = &arguments.events {
        command.arg("--events").arg(events.as_argument());
    }
    if let Some(result) = &arguments.result {
        command.arg("--result").arg(result);
    }
    if arguments.json {
        command.arg("--json");
    }
    let error = command.exec();
    Problem::wrong(format!("cannot start the app `{app}`: {error}"))
        .hint("`app` is the path of a job binary, relative to the current directory")
}

/// A request as the standard input of another program: it may hold secrets, so that it is neither an argument
/// nor a file with a name.
fn in_memory(request: &RunRequest) -> Result<File, Problem> {
    let text = request.to_json().map_err(|error| Problem::bad_request(&error))?;
    let written = || -> io::Result<File> {
        let memory = rustix::fs::memfd_create("request", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = File::from(memory);
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(file)
    };
    written().map_err(|error| Problem::platform(&error))
}
