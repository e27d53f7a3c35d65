//! The worker process of a run: the same binary, started by `run` and never by people.

use std::io;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use chutes_process::take_program_name;
use chutes_supervisor::worker::WORKER_ARGUMENT;
use tokio::runtime::Builder;

use super::logging;
use crate::registry::Registry;
use crate::run::worker::child;

/// Whether this process is the worker of a run.
pub(super) fn is_wanted() -> bool {
    std::env::args_os().nth(1).is_some_and(|argument| argument == WORKER_ARGUMENT)
}

/// Runs user code as the supervisor at the other end of standard input says.
pub(super) fn main() -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write;

            // Standard error is the log of the run, and the only way to tell anything.
            let _ = writeln!(io::stderr(), "error: the worker cannot go on: {error}");
            ExitCode::FAILURE
        }
    }
}

fn work() -> io::Result<()> {
    take_program_name();
    let socket = take_socket()?;
    let has_our_subscriber = logging::start();
    let registry = Registry::collect().map_err(io::Error::other)?;
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let user_code = Builder::new_multi_thread()
        // A job that blocks one thread must leave one for the shutdown hooks.
        .worker_threads(cores.max(2))
        .thread_name("job")
        .enable_all()
        .build()?;
    let connection = Builder::new_current_thread().enable_all().build()?;
    let user = user_code.handle().clone();
    let served = connection.block_on(child::serve(socket, &registry, user, has_our_subscriber));
    // Does not wait for user code that was left behind; it ends with the process.
    user_code.shutdown_background();
    served
}

/// The connection to the supervisor is where standard input should be. User code finds nothing there.
fn take_socket() -> io::Result<UnixStream> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    rustix::net::getsockname(&socket).map_err(|_| {
        io::Error::other("it is started by `run`, with a connection as its standard input")
    })?;
    rustix::stdio::dup2_stdin(&std::fs::File::open("/dev/null")?)?;
    Ok(UnixStream::from(socket))
}
