//! Runs are reached while they go on: at their ports, by SSH, through the TLS front.

mod images;
mod images_ssh;
mod opened;
mod paramiko;
mod ports;
mod security;
mod server;
mod ssh;
mod ssh_ending;
mod ssh_files;
mod ssh_forward;
mod ssh_hostile;
mod ssh_keys;
mod ssh_sessions;
mod streaming;
