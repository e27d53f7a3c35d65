//! `chutes exec`: one run of a spec, on this machine.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use chutes_console::{
    AccessArguments, CommandResult, EXIT_CODES, Problem, ReportArguments, RequestArgument, Session,
    VolumeArguments, in_memory, log_cap, read_spec, run_directory,
};
use chutes_core::{EngineRequest, JobSpec, PullPolicy, RunRequest, Work};
use chutes_supervisor::Supervisor;
use chutes_supervisor::logs::LogCap;
use chutes_supervisor::worker::ContainerStarter;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, ValueHint};

/// The arguments of `chutes exec`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
#[command(group = ArgGroup::new("what").required(true))]
pub(crate) struct ExecArguments {
    /// The spec: a JSON file, or `-` for standard input
    #[arg(value_name = "SPEC", group = "what", value_hint = ValueHint::FilePath)]
    spec: Option<String>,
    #[command(flatten)]
    request: RequestArgument,
    /// The directory of the run: new, empty, or with nothing but `inputs/` in it
    /// [default: runs/NAME-ID]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "request")]
    run_dir: Option<PathBuf>,
    /// When the image is pulled: when it is not there, always, or never
    #[arg(long, default_value = "missing", value_parser = pull(), conflicts_with = "request")]
    pull: PullPolicy,
    /// How much is kept of each of the two streams that the job prints to [default: 256MiB]
    ///
    /// Of more than that, the beginning and the end are kept.
    #[arg(long, value_name = "SIZE", value_parser = log_cap, conflicts_with = "request")]
    log_limit: Option<LogCap>,
    #[command(flatten)]
    volumes: VolumeArguments,
    #[command(flatten)]
    access: AccessArguments,
    #[command(flatten)]
    report: ReportArguments,
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
pub(crate) fn exec(arguments: &ExecArguments) -> CommandResult {
    let request = match (arguments.request.read()?, &arguments.spec) {
        (Some(request), _) => request,
        (None, Some(from)) => build(read_spec(from)?, arguments)?,
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
fn build(spec: JobSpec, arguments: &ExecArguments) -> Result<RunRequest, Problem> {
    let name = spec.target().short_name().to_owned();
    let run_id = Supervisor::new_id();
    let directory = run_directory(arguments.run_dir.clone(), &name, run_id);
    let mut request = RunRequest {
        engine: EngineRequest { pull: arguments.pull, ..EngineRequest::default() },
        log_limit: arguments.log_limit.map(LogCap::bytes),
        ..RunRequest::new(run_id, spec, directory)
    };
    arguments.volumes.apply(&mut request);
    arguments.access.apply(&mut request)?;
    Ok(request)
}

fn run_image(request: RunRequest, arguments: &ExecArguments) -> CommandResult {
    let session = Session {
        title: format!("image `{}`", request.spec.target()),
        command: "exec",
        report: arguments.report.clone(),
    };
    let engine = request.engine.clone();
    session.run(Supervisor::new(request), |output| ContainerStarter { engine, output })
}

/// Starts the app in place of this program, which reads the same request. Returns only when that fails.
fn become_app(app: &str, request: &RunRequest, arguments: &ExecArguments) -> Problem {
    let request = match in_memory(request) {
        Ok(request) => request,
        Err(problem) => return problem,
    };
    let mut command = Command::new(app);
    command.args(["run", "--request", "-"]).args(arguments.report.to_arguments());
    let error = command.stdin(request).exec();
    Problem::wrong(format!("cannot start the app `{app}`: {error}"))
        .hint("`app` is the path of a job binary, relative to the current directory")
}
