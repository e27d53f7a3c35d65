//! A run that goes on without its terminal: `--detach`.
//!
//! The program starts itself again, as a supervisor in a session of its own, and hands the run request over as its
//! standard input. It waits until the run is accepted, which the supervisor says on its standard output, and ends. A
//! run that ends before that is reported as one in the foreground is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use chutes_core::{Event, ExitCode, RunEvent, RunId, RunRequest, Status};
use chutes_supervisor::{SupervisorCgroup, keep_descriptors, restart_command, take_program_name};
use rustix::fs::MemfdFlags;
use serde::Serialize;

use crate::arguments::ReportArguments;
use crate::problem::Problem;
use crate::program::{CommandResult, shell_line};
use crate::stdout::{json_line, print};
use crate::terminal::Console;

/// What the supervisor says when the run is accepted.
const ACCEPTED: &str = "accepted\n";

/// How a detached run is told from others by its supervisor.
pub(crate) const ARGUMENT: &str = "--detached";

/// The run that was started.
#[derive(Serialize)]
struct Started<'a> {
    run_id: RunId,
    run_dir: &'a str,
}

/// Starts a supervisor for the request with this command of this program, and returns when the run is accepted.
pub(crate) fn detach(
    command: &str,
    request: &RunRequest,
    report: &ReportArguments,
) -> CommandResult {
    if let Some(option) = report.inherited() {
        return Err(Problem::wrong(format!("`--detach` takes no descriptor for `{option}`"))
            .hint("name a file: the descriptors of this process are not those of the run"));
    }
    let platform = |error: io::Error| Problem::platform(&error);
    let directory = std::path::absolute(&request.directory).map_err(platform)?;
    let said = File::from(memory("messages").map_err(platform)?);
    let mut child = start(command, request, report, &said)?;
    let Some(stdout) = child.stdout.take() else {
        return Err(Problem::platform(&io::Error::other("the supervisor has no standard output")));
    };
    let (mut stdout, mut line) = (BufReader::new(stdout), Vec::new());
    stdout.read_until(b'\n', &mut line).map_err(platform)?;
    if line != ACCEPTED.as_bytes() {
        stdout.read_to_end(&mut line).map_err(platform)?;
        return not_accepted(child, &line, said);
    }
    let run_dir = directory.display().to_string();
    let started = Started { run_id: request.run_id, run_dir: &run_dir };
    if report.json {
        return print(&json_line(&started)?).map(|()| ExitCode::COMPLETED);
    }
    print(&format!("{} {run_dir}\n", request.run_id))?;
    Console::open().map_err(platform)?.print(&format!(
        "the run goes on by itself: `{}` shows it\n",
        shell_line(&["attach", &run_dir])
    ));
    Ok(ExitCode::COMPLETED)
}

fn start(
    command: &str,
    request: &RunRequest,
    report: &ReportArguments,
    said: &File,
) -> Result<Child, Problem> {
    let platform = |error: io::Error| Problem::platform(&error);
    let request = in_memory(request)?;
    // A descriptor that this process was started with would be kept open as long as the run goes on.
    keep_descriptors();
    let mut supervisor: Command = restart_command().map_err(platform)?;
    let report = ReportArguments { detach: false, ..report.clone() };
    supervisor.args([command, "--request", "-", ARGUMENT]).args(report.to_arguments());
    supervisor.stdin(request).stdout(Stdio::piped());
    supervisor.stderr(said.try_clone().map_err(platform)?);
    supervisor.spawn().map_err(platform)
}

/// Reports a run that has ended before it was accepted, with the words and the exit code of its supervisor.
fn not_accepted(mut child: Child, stdout: &[u8], mut said: File) -> CommandResult {
    let platform = |error: io::Error| Problem::platform(&error);
    let status = child.wait().map_err(platform)?;
    let mut messages = Vec::new();
    said.rewind().and_then(|()| said.read_to_end(&mut messages)).map_err(platform)?;
    // Standard error may be closed, and there is no other place for it.
    let _ = io::stderr().write_all(&messages);
    print(&String::from_utf8_lossy(stdout))?;
    status.code().and_then(ExitCode::from_code).ok_or_else(|| {
        let message =
            format!("the supervisor of the run ended before the run was accepted: {status}");
        Problem::platform(&io::Error::other(message))
    })
}

/// A request as the standard input of another program: it may hold secrets, so that it is neither an argument nor a
/// file with a name.
///
/// # Errors
///
/// When it cannot be written as JSON, or when the system has no memory left for it.
pub fn in_memory(request: &RunRequest) -> Result<File, Problem> {
    let text = request.to_json().map_err(|error| Problem::bad_request(&error))?;
    let written = || -> io::Result<File> {
        let mut file = File::from(memory("request")?);
        file.write_all(text.as_bytes())?;
        file.rewind()?;
        Ok(file)
    };
    written().map_err(|error| Problem::platform(&error))
}

fn memory(name: &str) -> io::Result<std::os::fd::OwnedFd> {
    Ok(rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC)?)
}

/// Leaves the session and the cgroup of the process that has started this one: from now on this process gets no signals
/// of the terminal. Returns the cgroup, where one could be made; it is left at the end of the run.
pub(crate) fn leave_terminal(run_id: RunId) -> Option<SupervisorCgroup> {
    take_program_name();
    // It fails for the leader of a session, which is in one of its own already.
    let _ = rustix::process::setsid();
    SupervisorCgroup::enter(run_id).ok()
}

/// Says that the run is accepted when it is, and then nothing any more: the process that has started this one is gone.
pub(crate) fn announce(
    console: Arc<Console>,
) -> impl FnMut(Option<&Event>) -> io::Result<()> + Send + 'static {
    move |event| {
        let is_accepted =
            |event: &Event| matches!(event.what, RunEvent::Status { status: Status::Accepted });
        if event.is_some_and(is_accepted) {
            console.silence();
            let mut other = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            let nothing = File::options().write(true).open("/dev/null")?;
            rustix::stdio::dup2_stdout(&nothing)?;
            rustix::stdio::dup2_stderr(&nothing)?;
            // The other process may have been ended meanwhile. The run goes on.
            let _ = other.write_all(ACCEPTED.as_bytes());
        }
        Ok(())
    }
}
