//! `run`: one run of one job, in a process of its own.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use chutes_core::{ExitCode, Limits, Outcome};
use tokio::runtime::{Builder, Runtime};

use super::arguments;
use super::console::{Console, Stream};
use super::describe::find;
use super::list::to_json_line;
use super::observe::{All, Forwarded, Forwarder};
use super::problem::Problem;
use super::signals::Signals;
use super::{input, recover, report, sinks};
use crate::event::Observer;
use crate::registry::{Job, Registry};
use crate::run::worker::Spawn;
use crate::run::{Run, RunDirectoryError, RunError};

/// Carries the command out, up to the exit code of its outcome.
pub(super) fn run(registry: &Registry, arguments: &arguments::Run) -> Result<ExitCode, Problem> {
    let job = find(registry, &arguments.job)?;
    let run = prepare(job, arguments)?;
    let platform = |error: io::Error| Problem::platform(&error);
    let runtime = runtime(run.has_sinks()).map_err(platform)?;
    let console = Arc::new(Console::open().map_err(platform)?);
    let watching = Watching::start(&console, arguments).map_err(platform)?;
    let (observer, forwarded) = (watching.observer, watching.forwarded);
    let run = run.observer(Arc::new(observer));
    let cancel = run.cancel_handle();
    // From here on a signal cancels the run, also when it comes before the run begins.
    let signals = listen(&runtime).map_err(platform)?;
    let created = match run.create() {
        Ok(created) => created,
        Err(error) => {
            console.close();
            return Err(refused(&error, &runtime, signals));
        }
    };
    let directory = created.directory().root().display().to_string();
    console.print(&format!("running `{}` in {directory}\n", job.name()));
    let spawn = spawn(&console, arguments).map_err(platform)?;
    let outcome = runtime.block_on(async {
        let cancelling = tokio::spawn(signals.cancel(cancel));
        let outcome = created.execute_in_process(spawn).await;
        cancelling.abort();
        outcome
    });
    for (what, forwarded) in forwarded {
        if let Err(why) = forwarded.wait() {
            console.print(&format!("warning: not all {what} were written: {why}\n"));
        }
    }
    console.close();
    finish(&console, &outcome, arguments.json)?;
    runtime.shutdown_background();
    Ok(outcome.exit_code())
}

/// Tells how the run ended.
pub(super) fn finish(console: &Console, outcome: &Outcome, json: bool) -> Result<(), Problem> {
    report::print(console, outcome);
    if json { super::to_stdout(&to_json_line(outcome)?) } else { Ok(()) }
}

fn prepare(job: &Job, arguments: &arguments::Run) -> Result<Run, Problem> {
    let schema = || job.data_schema();
    let data = input::data(arguments.data.as_deref(), &arguments.set, schema)?;
    let mut limits = Limits::for_timeout(job.timeout());
    limits.start = arguments.start_limit.unwrap_or(limits.start);
    limits.execute = arguments.time_limit.or(limits.execute);
    limits.upload = arguments.upload_limit.unwrap_or(limits.upload);
    limits.grace = arguments.grace.unwrap_or(limits.grace);
    let run = Run::new(job.clone(), "");
    let directory = arguments.run_dir.clone().unwrap_or_else(|| {
        PathBuf::from("runs").join(format!("{}-{}", job.name(), run.id().short()))
    });
    run.directory(directory)
        .data(data)
        .host(arguments.host)
        .memory_limit(arguments.memory_limit)
        .sinks(sinks::wanted(job, arguments)?)
        .live_delivery(arguments.live)
        .limits(limits)
        .map_err(|error| Problem::bad_request(&error))
}

/// Why there is no new run. A directory in which another run was left unfinished is put in order.
fn refused(error: &RunError, runtime: &Runtime, signals: Signals) -> Problem {
    let hint = match error {
        RunError::Directory(RunDirectoryError::NotEmpty { path }) => {
            recover::put_in_order(path, runtime, signals)
        }
        _ => None,
    };
    let problem = Problem::run(error);
    match hint {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}

/// Sending files is work for several threads; without sinks one does.
pub(super) fn runtime(has_sinks: bool) -> io::Result<Runtime> {
    if has_sinks {
        Builder::new_multi_thread().worker_threads(2).enable_all().build()
    } else {
        Builder::new_current_thread().enable_all().build()
    }
}

fn listen(runtime: &Runtime) -> io::Result<Signals> {
    let _within = runtime.enter();
    Signals::listen()
}

/// Where the output of the job is shown. With `--json` nothing but the outcome may come to standard
/// output, so that the job's output goes to standard error.
fn spawn(console: &Arc<Console>, arguments: &arguments::Run) -> io::Result<Spawn> {
    let stdout = if arguments.json { Stream::Stderr } else { Stream::Stdout };
    let stdout = Box::new(console.output(stdout)?);
    let stderr = Box::new(console.output(Stream::Stderr)?);
    Ok(Spawn { log_cap: arguments.log_limit.unwrap_or_default(), stdout, stderr })
}

/// Who is told of the run.
pub(super) struct Watching {
    pub(super) observer: All,
    pub(super) forwarded: Vec<(&'static str, Forwarded)>,
}

impl Watching {
    fn start(console: &Arc<Console>, arguments: &arguments::Run) -> io::Result<Self> {
        let mut watching = Self::on(console)?;
        if let Some(target) = &arguments.events {
            let (events, forwarded) = Forwarder::start("events", target.open()?.writer())?;
            watching.observer.0.push(Box::new(events));
            watching.forwarded.push(("events", forwarded));
        }
        Ok(watching)
    }

    /// People only.
    pub(super) fn on(console: &Arc<Console>) -> io::Result<Self> {
        let console = Arc::clone(console);
        let show = move |event: Option<&_>| {
            if let Some(event) = event {
                console.on_event(event);
            }
            Ok(())
        };
        let (shown, forwarded) = Forwarder::start("console", show)?;
        let observer = All(vec![Box::new(shown)]);
        Ok(Self { observer, forwarded: vec![("messages", forwarded)] })
    }
}
