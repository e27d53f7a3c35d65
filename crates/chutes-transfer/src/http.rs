//! HTTP as all transfers use it: the client, what an answer means, and what may be shown of it.

mod address;
mod client;
mod exchange;
mod rate_limit;
mod resolver;
mod secrets;

pub use self::address::RefusedUrl;
pub use self::client::{CONNECT_TIME, builder, client, guarded_client};
pub use self::exchange::{Exchange, Refusal, beginning, causes, drain};
pub use self::resolver::{Found, Lookup, Resolver, UnknownHost};
pub use self::secrets::{Secrets, shown};
