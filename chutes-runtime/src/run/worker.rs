//! The execution of user code, step by step: as tasks of this process, or as a worker process.

#[cfg_attr(
    not(feature = "command-line"),
    expect(dead_code, reason = "only the command line starts worker processes")
)]
pub(crate) mod child;
mod local;
mod session;
mod subscriber;

pub(crate) use self::local::LocalStarter;
