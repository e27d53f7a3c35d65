//! `run`: one run of one job, in a process of its own.

use chutes_core::{ExitCode, JobSpec, Limits, Work};
use chutes_supervisor::Supervisor;
use chutes_supervisor::worker::{ProcessStarter, Program};

use super::describe::find;
use super::problem::Problem;
use super::session::{self, Session};
use super::{arguments, input, sinks, specs};
use crate::registry::{Job, Registry};
use crate::run::Run;

/// Carries the command out, up to the exit code of its outcome.
pub(super) fn run(registry: &Registry, arguments: &arguments::Run) -> Result<ExitCode, Problem> {
    let job = find(registry, &arguments.job)?;
    let attempt = prepare(job, arguments)?;
    let session = Session {
        title: format!("`{}`", job.name()),
        events: arguments.events.clone(),
        result: arguments.result.clone(),
        log_cap: arguments.log_limit.unwrap_or_default(),
        json: arguments.json,
    };
    session.run(attempt, |output| ProcessStarter { program: Program::This, output })
}

fn prepare(job: &Job, arguments: &arguments::Run) -> Result<Supervisor, Problem> {
    let mut spec = spec(job, arguments)?;
    let limits = &mut spec.limits;
    limits.start = arguments.start_limit.unwrap_or(limits.start);
    limits.execute = arguments.time_limit.or(limits.execute);
    limits.upload = arguments.upload_limit.unwrap_or(limits.upload);
    limits.grace = arguments.grace.unwrap_or(limits.grace);
    let memory = &mut spec.resources.memory_bytes;
    *memory = arguments.memory_limit.or(*memory);
    arguments.access.apply(&mut spec)?;
    offers_ssh(job, &spec)?;
    let run =
        Run::from_spec(job.clone(), spec, "").map_err(|error| Problem::bad_request(&error))?;
    let directory = session::directory(arguments.run_dir.clone(), job.name().as_str(), run.id());
    let attempt = run
        .into_attempt()
        .directory(directory)
        .access(arguments.access.settings())
        .addresses(arguments.volumes.addresses.policy())
        .more_sinks(sinks::wanted(job, arguments)?)
        .live_delivery(arguments.live);
    Ok(match arguments.volumes.settings()? {
        Some(settings) => attempt.volume_settings(settings),
        None => attempt,
    })
}

/// A key for a job that nobody can log in to is a mistake.
fn offers_ssh(job: &Job, spec: &JobSpec) -> Result<(), Problem> {
    if spec.ssh.is_none() || job.ports().ssh() {
        return Ok(());
    }
    let message = format!("job `{}` does not offer SSH", job.name());
    Err(Problem::wrong(message).hint("add `ssh = true` to its `#[job(...)]`"))
}

/// What is asked for, by a spec or by the arguments alone.
fn spec(job: &Job, arguments: &arguments::Run) -> Result<JobSpec, Problem> {
    let schema = || job.data_schema();
    let Some(from) = &arguments.spec else {
        let data = input::data(arguments.data.as_deref(), &arguments.set, schema)?;
        let limits = Limits::for_timeout(job.timeout());
        return Ok(JobSpec { limits, ..JobSpec::job(job.name().clone(), data) });
    };
    let mut spec = specs::read(from)?;
    if !job.uploads() && !spec.output_volumes.is_empty() {
        let message = format!("job `{}` is declared with `upload = false`", job.name());
        return Err(Problem::wrong(message)
            .hint("nothing leaves its run directory: leave out `output_volumes`"));
    }
    let wanted = spec.target();
    match &mut spec.work {
        Work::Job { app, job: name, data } if name == job.name() => {
            // The app is this one, whatever its path.
            *app = None;
            *data = input::on_top_of(data.clone(), &arguments.set, schema)?;
            Ok(spec)
        }
        Work::Job { .. } => {
            Err(Problem::wrong(format!("the spec is for job `{wanted}`, not `{}`", job.name())))
        }
        Work::Image { .. } => {
            let message = format!("the spec is for the image `{wanted}`, not for a job");
            Err(Problem::wrong(message).hint("`chutes exec` runs images"))
        }
    }
}
