//! Runs that others reach while they go on.

mod images;
mod paramiko;
mod ports;
mod security;
mod server;
pub(crate) mod ssh;
mod ssh_ending;
mod ssh_files;
mod ssh_forward;
mod ssh_hostile;
mod ssh_keys;
mod ssh_sessions;
mod streaming;
