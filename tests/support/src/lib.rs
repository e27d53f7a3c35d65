//! What several tests of chutes share: fake servers, clients of a run, runs themselves and what they leave.
//!
//! - [`servers`]: what jobs, volumes and sinks talk to over HTTP. They listen on the loopback interface, in the
//!   process of the test, and most can misbehave as a test wants.
//! - [`clients`]: what connects to a run: plain sockets, OpenSSH, `curl`.
//! - [`sandbox`], [`run`]: a folder and an environment for one test, and the programs that are started there.
//! - [`record`], [`leftovers`]: what a run leaves in its directory, and that it leaves nothing else.
//! - [`events`]: what a run reports while it goes on.
//! - [`containers`]: Podman for one test, and the images of the tests.
//! - [`machine`], [`screen`]: processes, namespaces and terminals of the machine, and what a terminal shows.
//!
//! It is not published. Components use it in their own tests, so it does not depend on `chutes`. The programs
//! under test are known to their package only, which passes their paths ([`sandbox::Programs`]).
//!
//! ```
//! use chutes_test_support::servers::http::{Act, HttpServer, status};
//!
//! // The first request is refused, all others are granted.
//! let server = HttpServer::of([Act::Answer(status(503))]);
//! assert!(server.url("/file").starts_with("http://127.0.0.1:"));
//! assert_eq!(server.requests().len(), 0);
//! ```

#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a problem ends the test")]
#![expect(clippy::must_use_candidate, reason = "many a function is called for what it checks")]

pub mod clients;
pub mod containers;
pub mod events;
pub mod leftovers;
pub mod machine;
pub mod record;
pub mod run;
pub mod sandbox;
pub mod screen;
pub mod servers;

pub use self::machine::{own_address, wait_until};
pub use self::run::{Finished, Running, finish, start};
pub use self::sandbox::{Programs, Sandbox};
