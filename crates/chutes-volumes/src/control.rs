//! How a fetch is ended from outside, and what can be seen of it meanwhile.

use chutes_transfer::OngoingTransfers;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a fetch is ended from outside, and what can be seen of it meanwhile. By default it is not ended.
#[derive(Clone, Debug, Default)]
pub struct FetchControl {
    /// Ends the fetch when it is cancelled.
    pub stop: CancellationToken,
    /// When the fetch has to be done. It ends before, if no other attempt at a file can be made in time. The
    /// caller ends it when the time has come.
    pub deadline: Option<Instant>,
    /// The files that are being fetched, with the errors that they have met.
    pub ongoing: OngoingTransfers,
}
