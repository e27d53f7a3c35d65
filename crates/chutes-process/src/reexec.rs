//! Starting the binary of this process again: as the worker, or as the SFTP server of a session.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The variables of the supervisor that are removed from the environment of user code: they may hold
/// credentials of sinks.
pub const PRIVATE_VARIABLES: [&str; 2] = ["CHUTES_OUTPUT", "CHUTES_STATUS_URL"];

/// A command that starts the same binary, even when its file was replaced or removed.
pub fn this_program() -> io::Result<Command> {
    let binary =
        if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let mut command = Command::new(binary);
    if let Some(name) = std::env::args_os().next() {
        command.arg0(name);
    }
    Ok(command)
}

/// The same for another supervisor: what `PRIVATE_VARIABLES` say is in its run request already.
///
/// # Errors
///
/// When the path of this program is not known.
pub fn restart_command() -> io::Result<Command> {
    let mut command = this_program()?;
    for name in PRIVATE_VARIABLES {
        command.env_remove(name);
    }
    Ok(command)
}

/// Gives this process the name of its program. One that was started by [`this_program`] has the name `exe` in tools such
/// as `ps` and `top`, after the file that it was started from.
pub fn take_program_name() {
    let Some(program) = std::env::args_os().next() else { return };
    let name = Path::new(&program).file_name().unwrap_or_default();
    // The kernel cuts it to 15 bytes. It is only shown, so an error does no harm.
    let _ = std::fs::write("/proc/self/comm", name.as_bytes());
}
