//! Clients of a run: plain connections, the programs of OpenSSH, `curl` and TLS.

pub mod front;
pub mod ssh;
pub mod tcp;
