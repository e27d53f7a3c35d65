//! The side of user code: its steps, as tasks of this process and as a worker process.

#[cfg_attr(
    not(feature = "command-line"),
    expect(dead_code, reason = "only the command line starts worker processes")
)]
pub(crate) mod child;
mod local;
mod session;

pub(crate) use self::local::LocalStarter;
