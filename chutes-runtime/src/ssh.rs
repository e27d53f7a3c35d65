//! The SSH server of a run: whoever has one of its keys gets a shell, commands, files and connections to
//! its ports where the job runs.
//!
//! A connection goes this way:
//!
//! - `server` accepts it, if `door` has room for one that has not logged in yet;
//! - `connection` gives it its time to log in and waits for its end;
//! - `handler` answers the requests of the client: who may log in, which channels may be opened;
//! - `channel` is one session and `forward` one forwarded connection; both move bytes by `pump`;
//! - [`Place`] is where sessions land: processes beside the worker, or in the container of the run.
//!
//! Nobody waits for a client that does not read, and a client that sends more than is taken is made to
//! wait (`intake`).

mod channel;
mod connection;
mod door;
mod events;
mod forward;
mod handler;
mod host_key;
mod intake;
mod keys;
mod limits;
mod place;
mod pump;
mod server;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub(crate) use self::keys::AuthorizedKeys;
pub(crate) use self::limits::SshLimits;
#[cfg(feature = "container")]
pub(crate) use self::place::{ContainerPlace, ContainerPlaceSetup};
pub(crate) use self::place::{Place, ProcessPlace, ProcessPlaceSetup};
pub(crate) use self::server::{SshServer, SshSettings};
