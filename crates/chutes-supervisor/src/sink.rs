//! What a sink of [`Supervisor::test_sinks`](crate::Supervisor::test_sinks) is made of.

pub use chutes_outputs::delivery::RetryPolicy;
pub use chutes_outputs::{RunSummary, Sending, Sink, SourceFile};
pub use chutes_transfer::TransferError;
