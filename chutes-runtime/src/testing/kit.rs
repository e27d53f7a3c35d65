//! Whole runs of a job in a test: on a virtual clock, with cancellation, limits and faulty sinks.

mod cancel;
mod execution;
mod finished;
mod run;
mod sink;
#[cfg(test)]
mod tests;

pub use self::finished::FinishedRun;
pub use self::run::TestRun;
pub use self::sink::TestSink;
