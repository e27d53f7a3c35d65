//! The SSH server of a run: gives a client with one of the run's keys a shell, commands, files and
//! forwarded connections where the job runs.
//!
//! This is an internal component of chutes, without a promise of stability. It supports public keys and no
//! passwords, and has no user accounts: each session runs as the user of the job.
//!
//! The modules, in the order in which a connection uses them:
//!
//! - `server` accepts the connection, if `pre_auth` permits one more that is not logged in;
//! - `connection` limits the time to log in, and waits for the end of the connection;
//! - `handler` answers the requests of the client: which key may log in, and which channels may be opened;
//! - `channel` is one session and `forward` one forwarded connection; both copy bytes by `pump`;
//! - [`SessionBackend`] starts sessions: as processes beside the worker, or in the container of the run;
//! - [`sftp`] serves files, in a process of its own.
//!
//! A client that does not read delays no other client, and a client that sends more than processes read is
//! slowed down (`flow_control`).
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use chutes_core::{EventReporter, RunId, SecretPairs};
//! use chutes_ports::Connector;
//! use chutes_process::Sessions;
//! use chutes_ssh::{AuthorizedKeys, ProcessBackend, ProcessBackendSetup, SshLimits, SshServer, SshSettings};
//!
//! let keys = [std::fs::read_to_string("id_ed25519.pub")?];
//! let keys = AuthorizedKeys::parse(&keys)?.ok_or("a key is needed")?;
//! let backend = ProcessBackend::new(ProcessBackendSetup {
//!     run_id: "0198c0de-89ab-7def-8001-0203040506ff".parse::<RunId>()?,
//!     directory: "/srv/run".into(),
//!     env: SecretPairs::default(),
//!     variables: Vec::new(),
//!     connector: Connector::Here,
//!     ports: Vec::new(),
//!     sessions: Sessions::default(),
//! });
//! let settings = SshSettings { keys, public_host: "localhost".into(), limits: SshLimits::default() };
//! let listener = std::net::TcpListener::bind("127.0.0.1:2202")?;
//! let server = SshServer::start(listener, settings, Arc::new(backend), EventReporter::none())?;
//! println!("ssh -p {} job@localhost", server.endpoint().address.port());
//! server.stop().await;
//! # Ok(()) }
//! ```

mod backend;
mod channel;
mod connection;
mod descriptor;
mod events;
mod flow_control;
mod forward;
mod handler;
mod host_key;
mod key_ring;
mod keys;
mod limits;
mod pre_auth;
mod pump;
mod server;
pub mod sftp;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use self::backend::{
    BackendFuture, Control, ProcessBackend, ProcessBackendSetup, SessionBackend, SessionCommand,
    SessionExit, SessionRequest, StartedSession, Terminal,
};
#[cfg(feature = "container")]
pub use self::backend::{ContainerBackend, ContainerBackendSetup};
pub use self::key_ring::KeyRing;
pub use self::keys::AuthorizedKeys;
pub use self::limits::{BufferLimits, SshLimits};
pub use self::server::{SshServer, SshSettings};
