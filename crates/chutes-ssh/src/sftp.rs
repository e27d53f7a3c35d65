//! The SFTP server of SSH sessions: version 3 of the protocol on standard input and output, in a process of
//! its own.
//!
//! That process is this binary with the hidden first argument [`SFTP_ARGUMENT`]. It serves one client, one
//! request after the other as OpenSSH's server does, and ends when its standard input ends. Without further
//! arguments it serves the files of this machine, with paths relative to its working directory; with
//! `--mount CONTAINER_PATH=HOST_PATH[:ro]` only these folders, at these paths.
//!
//! The library of the protocol requires names in UTF-8. A file with another name is listed with replacement
//! characters, and requests for it are refused, as they might mean another file.

mod attributes;
mod change;
mod extensions;
mod handler;
mod handles;
mod mounts;
mod reply;
mod stream;
#[cfg(test)]
mod tests;
mod tree;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use chutes_process::take_program_name;
use russh_sftp::server::{Config, run_with_config};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use self::handler::Session;
use self::mounts::{Mount, Mounts};
use self::stream::Stream;
use self::tree::Tree;

/// The first argument of the process.
pub const SFTP_ARGUMENT: &str = "__sftp";

/// The argument before the description of a folder to serve.
pub const MOUNT_ARGUMENT: &str = "--mount";

/// The longest request that is read, and the longest answer, in bytes, as in OpenSSH.
const MAX_PACKET_BYTES: u32 = 256 * 1024;

/// The largest number of bytes that one request reads or writes: as many as fit into a packet with its
/// other fields.
const MAX_DATA_BYTES: u32 = MAX_PACKET_BYTES - 1024;

/// The largest number of files and folders that a client may have open at a time.
const MAX_HANDLES: usize = 1024;

/// Whether this process was started as the SFTP server of a session.
#[must_use]
pub fn is_wanted() -> bool {
    std::env::args_os().nth(1).is_some_and(|argument| argument == SFTP_ARGUMENT)
}

/// Serves the client at the other end of standard input and output.
#[must_use]
pub fn main() -> ExitCode {
    match serve_standard_streams() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is passed on to the client, which has no other way to see the reason.
            let _ = writeln!(io::stderr(), "error: files cannot be served: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve_standard_streams() -> io::Result<()> {
    let tree = tree(std::env::args_os().skip(2))?;
    take_program_name();
    handles::raise_open_file_limit();
    keep_freed_memory();
    let input = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?);
    let output = File::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?);
    serve(input, output, tree)
}

/// Makes the allocator keep freed memory. By default it returns each block of the size of a packet to the
/// system, on which a third of the time of a transfer is spent. Freeing a larger block raises its
/// threshold.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(64 * MAX_PACKET_BYTES as usize)));
}

/// The tree to serve, from the arguments of the process.
fn tree(mut arguments: impl Iterator<Item = OsString>) -> io::Result<Tree> {
    let mut mounts = Vec::new();
    while let Some(argument) = arguments.next() {
        let value = arguments.next().filter(|_| argument == MOUNT_ARGUMENT);
        let value = value.ok_or_else(|| {
            io::Error::other(format!("it is started with `{MOUNT_ARGUMENT} PATH=FOLDER` only"))
        })?;
        mounts.push(Mount::open(&value)?);
    }
    Ok(if mounts.is_empty() { Tree::Machine } else { Tree::Mounts(Mounts::new(mounts)) })
}

/// Serves requests of a client, for a fuzz target. `mounts` are as in the arguments of the process.
///
/// # Panics
///
/// Without `mounts`: the files of this machine are not for fuzzing.
#[cfg(feature = "fuzzing")]
pub fn fuzz(requests: &[u8], mounts: &[OsString]) -> io::Result<()> {
    let arguments = mounts.iter().flat_map(|mount| [MOUNT_ARGUMENT.into(), mount.clone()]);
    let tree = tree(arguments)?;
    assert!(matches!(tree, Tree::Mounts(_)), "the files of this machine are not for fuzzing");
    serve(io::Cursor::new(requests.to_vec()), io::sink(), tree)
}

/// Serves one client until it is gone. This and all requests block the thread: the process has no other
/// client.
fn serve<R, W>(input: R, output: W, tree: Tree) -> io::Result<()>
where
    R: Read + Send + Unpin + 'static,
    W: Write + Send + Unpin + 'static,
{
    let (alive, ended) = oneshot::channel::<()>();
    let session = Session::new(tree, alive);
    let config = Config { max_client_packet_len: MAX_PACKET_BYTES };
    Builder::new_current_thread().build()?.block_on(async {
        // The library serves in a task without a handle. When the task ends, it drops the session and with
        // it the sender.
        run_with_config(Stream::new(input, output), session, config).await;
        let _ = ended.await;
    });
    Ok(())
}
