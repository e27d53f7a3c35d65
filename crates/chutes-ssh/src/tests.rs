//! The server and the clients of OpenSSH.

mod forwarding;
mod hostile;
mod login;
mod sessions;
