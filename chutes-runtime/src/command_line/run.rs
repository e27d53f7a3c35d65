//! `run`: one run of one job, in a process of its own.

use chutes_console::{CommandResult, Problem, Session, read_spec, run_directory};
use chutes_core::{JobSpec, Limits, RunRequest, Work};
use chutes_supervisor::logs::LogCap;
use chutes_supervisor::worker::{ProcessStarter, Program};
use chutes_supervisor::{Supervisor, ssh_missing};

use super::describe::find;
use super::options::Given;
use super::{arguments, data, sinks};
use crate::registry::{Job, Registry};
use crate::run::LimitTooLong;

/// Carries the command out, up to the exit code of its outcome.
pub(super) fn run(
    registry: &Registry,
    arguments: &arguments::Run,
    options: &[Given<'_>],
) -> CommandResult {
    let (job, request) = match (arguments.request.read()?, &arguments.job) {
        (Some(request), _) => requested(registry, request)?,
        (None, Some(name)) => {
            let job = find(registry, name)?;
            (job, build(job, arguments, options)?)
        }
        // The parser has seen to it that one of them is there.
        (None, None) => return Err(Problem::wrong("a job or a run request is needed")),
    };
    let title = format!("`{}`", job.name());
    let session = Session { title, command: "run", report: arguments.report.clone() };
    let attempt = Supervisor::new(request).contract(job.contract());
    session.run(attempt, |output| ProcessStarter { program: Program::This, output })
}

/// The job that a request is for, with the limit that it declares where the request has none.
fn requested(registry: &Registry, mut request: RunRequest) -> Result<(&Job, RunRequest), Problem> {
    let Work::Job { app, job: name, .. } = &mut request.spec.work else {
        let message = format!("the run request is for the image `{}`", request.spec.target());
        return Err(Problem::wrong(message).hint("`chutes exec --request` runs images"));
    };
    // The app is this one, whatever its path.
    *app = None;
    let job = find(registry, name.as_str())?;
    check_limit(job, &mut request)?;
    offers_ssh(job, &request.spec)?;
    Ok((job, request))
}

/// A run may ask for less time than its job declares, never for more.
fn check_limit(job: &Job, request: &mut RunRequest) -> Result<(), Problem> {
    let declared = Limits::for_timeout(job.timeout()).execute;
    let limit = &mut request.spec.limits.execute;
    *limit = limit.or(declared);
    match (job.timeout(), *limit) {
        (Some(declared), Some(limit)) if limit > declared.duration() => {
            let error = LimitTooLong { declared: declared.seconds() };
            Err(Problem::bad_request(&error))
        }
        _ => Ok(()),
    }
}

/// The request that the arguments stand for.
fn build(
    job: &Job,
    arguments: &arguments::Run,
    options: &[Given<'_>],
) -> Result<RunRequest, Problem> {
    let mut spec = spec(job, arguments, options)?;
    let limits = &mut spec.limits;
    limits.start = arguments.start_limit.unwrap_or(limits.start);
    limits.execute = arguments.time_limit.or(limits.execute);
    limits.upload = arguments.upload_limit.unwrap_or(limits.upload);
    limits.grace = arguments.grace.unwrap_or(limits.grace);
    let memory = &mut spec.resources.memory_bytes;
    *memory = arguments.memory_limit.or(*memory);
    let run_id = Supervisor::new_id();
    let directory = run_directory(arguments.run_dir.clone(), job.name().as_str(), run_id);
    let mut request = RunRequest {
        live: arguments.live,
        log_limit: arguments.log_limit.map(LogCap::bytes),
        ..RunRequest::new(run_id, spec, directory)
    };
    arguments.volumes.apply(&mut request);
    arguments.access.apply(&mut request)?;
    offers_ssh(job, &request.spec)?;
    request.sinks = sinks::wanted(job, arguments)?;
    check_limit(job, &mut request)?;
    Ok(request)
}

/// A key for a job that does not offer SSH is a mistake.
fn offers_ssh(job: &Job, spec: &JobSpec) -> Result<(), Problem> {
    if spec.ssh.is_none() || job.ports().ssh() {
        return Ok(());
    }
    // To offer it would not help in a program without SSH.
    if let Some(missing) = ssh_missing() {
        return Err(Problem::wrong(missing));
    }
    let message = format!("job `{}` does not offer SSH", job.name());
    Err(Problem::wrong(message).hint("add `ssh = true` to its `#[job(...)]`"))
}

/// What is asked for, by a spec or by the arguments alone.
fn spec(job: &Job, arguments: &arguments::Run, options: &[Given<'_>]) -> Result<JobSpec, Problem> {
    let schema = || job.data_schema();
    let Some(from) = &arguments.spec else {
        let given = arguments.data.as_deref();
        let data = data::from_arguments(given, &arguments.set, options, schema)?;
        let limits = Limits::for_timeout(job.timeout());
        return Ok(JobSpec { limits, ..JobSpec::job(job.name().clone(), data) });
    };
    let mut spec = read_spec(from)?;
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
            let set = data::on_top_of(data.clone(), &arguments.set, schema)?;
            // As with all arguments, they win over the spec.
            *data = data::with_options(set, options, None, &arguments.set)?;
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
