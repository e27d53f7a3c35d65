//! `run`: one run of one job, in this process.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use chutes_core::{ExitCode, Limits, Outcome};
use tokio::runtime::{Builder, Runtime};

use super::arguments;
use super::capture::{Capture, Stream};
use super::console::Console;
use super::describe::find;
use super::list::to_json_line;
use super::problem::Problem;
use super::signals::Signals;
use super::{input, logging, report};
use crate::registry::{Job, Registry};
use crate::run::{CreatedRun, Run};

/// Carries the command out, up to the exit code of its outcome.
pub(super) fn run(registry: &Registry, arguments: &arguments::Run) -> Result<ExitCode, Problem> {
    let job = find(registry, &arguments.job)?;
    let run = prepare(job, arguments)?;
    let platform = |error: io::Error| Problem::platform(&error);
    let threads = Threads::new().map_err(platform)?;
    let console = Arc::new(Console::open().map_err(platform)?);
    let run = run.runtime(threads.user_code.handle().clone()).observer(Arc::clone(&console) as _);
    let cancel = run.cancel_handle();
    // From here on a signal cancels the run, also when it comes before the run begins.
    let signals = threads.listen().map_err(platform)?;
    let created = run.create().map_err(|error| Problem::run(&error))?;
    let directory = created.directory().root().display().to_string();
    console.print(&format!("running `{}` in {directory}\n", job.name()));
    let outcome = captured(&console, arguments.json, created, |created| {
        logging::start();
        threads.supervise(created, signals.cancel(cancel))
    });
    let outcome = outcome.map_err(platform)?;
    console.close();
    report::print(&console, &outcome);
    if arguments.json {
        super::to_stdout(&to_json_line(&outcome)?)?;
    }
    threads.leave();
    Ok(outcome.exit_code())
}

fn prepare(job: &Job, arguments: &arguments::Run) -> Result<Run, Problem> {
    let schema = || job.data_schema();
    let data = input::data(arguments.data.as_deref(), &arguments.set, schema)?;
    let mut limits = Limits::for_timeout(job.timeout());
    limits.execute = arguments.time_limit.or(limits.execute);
    limits.grace = arguments.grace.unwrap_or(limits.grace);
    let run = Run::new(job.clone(), "");
    let directory = arguments.run_dir.clone().unwrap_or_else(|| {
        PathBuf::from("runs").join(format!("{}-{}", job.name(), run.id().short()))
    });
    run.directory(directory)
        .data(data)
        .host(arguments.host)
        .limits(limits)
        .map_err(|error| Problem::bad_request(&error))
}

/// Does something while the standard streams are captured. With `--json` nothing but the outcome
/// may come to standard output, so that the job's output goes to standard error.
fn captured(
    console: &Arc<Console>,
    json: bool,
    created: CreatedRun,
    action: impl FnOnce(CreatedRun) -> Outcome,
) -> io::Result<Outcome> {
    let logs = created.directory().logs();
    let stdout = if json { Stream::Stderr } else { Stream::Stdout };
    let out = Capture::start(Stream::Stdout, &logs, console.output(stdout)?)?;
    let err = Capture::start(Stream::Stderr, &logs, console.output(Stream::Stderr)?)?;
    let outcome = action(created);
    // From here on an error of the streams must not hide the outcome.
    for capture in [out, err] {
        if let Err(error) = capture.stop() {
            console.print(&format!("warning: cannot restore a standard stream: {error}\n"));
        }
    }
    Ok(outcome)
}

/// The threads of the supervisor and those of user code are not the same, so that user code that
/// blocks cannot delay a limit or a cancel.
struct Threads {
    supervisor: Runtime,
    user_code: Runtime,
}

impl Threads {
    fn new() -> io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Ok(Self {
            supervisor: Builder::new_current_thread().enable_all().build()?,
            user_code: Builder::new_multi_thread()
                // A job that blocks one thread must leave one for the shutdown hooks.
                .worker_threads(cores.max(2))
                .thread_name("job")
                .enable_all()
                .build()?,
        })
    }

    fn listen(&self) -> io::Result<Signals> {
        let _within = self.supervisor.enter();
        Signals::listen()
    }

    fn supervise(
        &self,
        created: CreatedRun,
        cancelling: impl Future<Output = ()> + Send + 'static,
    ) -> Outcome {
        self.supervisor.block_on(async {
            let cancelling = tokio::spawn(cancelling);
            let outcome = created.execute().await;
            cancelling.abort();
            outcome
        })
    }

    /// Does not wait for user code that was left behind; it ends with the process.
    fn leave(self) {
        self.user_code.shutdown_background();
        self.supervisor.shutdown_background();
    }
}
