//! `logs`: what the job of a run has printed.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use chutes_core::{ExitCode, LogStream};
use chutes_supervisor::inspect::{JobLog, RunWatch, is_over, view};
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{EXIT_CODES, RunArgument, unreadable};
use crate::problem::Problem;
use crate::program::CommandResult;
use crate::terminal::Console;

/// The arguments of `logs`.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub struct LogsArguments {
    #[command(flatten)]
    run: RunArgument,
    /// Wait for more, until the run has ended
    #[arg(short, long)]
    follow: bool,
    /// Print what the job has printed to standard error, not to standard output
    #[arg(long)]
    stderr: bool,
    /// Print only the last lines
    #[arg(long, value_name = "LINES")]
    tail: Option<u64>,
}

/// Whatever happens: after this time it is looked for more.
const AT_MOST: Duration = Duration::from_millis(500);

pub(super) fn logs(arguments: &LogsArguments) -> CommandResult {
    let directory = arguments.run.directory()?;
    let stream = if arguments.stderr { LogStream::Stderr } else { LogStream::Stdout };
    let mut log = JobLog::open(&directory, stream).map_err(|error| unreadable(&error))?;
    let failed =
        |error: io::Error| Problem::platform(&error).hint(format!("in {}", directory.display()));
    if let Some(lines) = arguments.tail {
        log.skip_to_last(lines).map_err(failed)?;
    }
    let mut to = io::stdout().lock();
    let done = if arguments.follow {
        let watch = RunWatch::new(&directory).map_err(failed)?;
        copy_while(&mut log, &mut to, || wait(&watch, &directory))
    } else {
        copy(&mut log, &mut to)
    };
    match done {
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::COMPLETED),
        done => done.map_err(failed)?,
    }
    if arguments.follow {
        say_if_lost(&directory)?;
    }
    Ok(ExitCode::COMPLETED)
}

/// Waits until the job may have printed more. Returns whether the run goes on; when it does not, what was printed until
/// then is still to be read.
fn wait(watch: &RunWatch, directory: &Path) -> io::Result<bool> {
    if is_over(directory) {
        return Ok(false);
    }
    watch.wait(AT_MOST)?;
    if is_closed(&io::stdout()) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(true)
}

/// Whether the reader of a pipe has closed it.
fn is_closed(pipe: &impl std::os::fd::AsFd) -> bool {
    let mut events = [PollFd::new(pipe, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut events, Some(&now)).is_ok() && events[0].revents().contains(PollFlags::ERR)
}

/// Copies what there is, and what comes as long as `wait_for_more` says that more may come.
fn copy_while(
    log: &mut JobLog,
    to: &mut impl Write,
    mut wait_for_more: impl FnMut() -> io::Result<bool>,
) -> io::Result<()> {
    copy(log, to)?;
    while wait_for_more()? {
        copy(log, to)?;
    }
    // The last bytes came while it was found out that there are no more.
    copy(log, to)
}

fn copy(log: &mut JobLog, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match log.read(&mut buffer)? {
            0 => return to.flush(),
            count => to.write_all(&buffer[..count])?,
        }
    }
}

fn say_if_lost(directory: &Path) -> Result<(), Problem> {
    let is_lost = view(directory).is_ok_and(|run| run.is_lost());
    if is_lost {
        let console = Console::open().map_err(|error| Problem::platform(&error))?;
        console.print("the run was interrupted: its supervisor is gone\n");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_comes_at_the_end_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("logs")).unwrap();
        let file = folder.path().join("logs/stdout.log");
        fs::write(&file, "a\n").unwrap();
        let mut log = JobLog::open(folder.path(), LogStream::Stdout).unwrap();
        let (mut copied, mut times) = (Vec::new(), 0);
        let wait_for_more = || {
            times += 1;
            fs::write(&file, "a\nb\nc\n".get(..2 + 2 * times).unwrap_or_default()).unwrap();
            Ok(times == 1)
        };
        copy_while(&mut log, &mut copied, wait_for_more).unwrap();
        assert_eq!(copied, b"a\nb\nc\n");
    }

    #[test]
    fn a_closed_pipe() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(!is_closed(&writer));
        drop(reader);
        assert!(is_closed(&writer));
    }
}
