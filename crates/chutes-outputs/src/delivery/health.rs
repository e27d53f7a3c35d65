//! Whether a sink takes files at all: when it does not, it is given up as a whole.

use std::sync::atomic::{AtomicU64, Ordering};

use chutes_transfer::{TransferCause, TransferError};
use tokio::sync::watch;

/// What is known of a sink from what became of its files.
///
/// A file that has used up its attempts while no other file arrived is a fault of the sink: other files would only
/// repeat that. What is under way then is not tried again; if some of it arrives, the sink goes on.
pub(super) struct SinkHealth {
    arrived: AtomicU64,
    fault: watch::Sender<Option<TransferError>>,
}

/// How many files had arrived when something began.
#[derive(Clone, Copy)]
pub(super) struct Arrived(u64);

impl SinkHealth {
    pub(super) fn new() -> Self {
        Self { arrived: AtomicU64::new(0), fault: watch::Sender::new(None) }
    }

    pub(super) fn arrived(&self) -> Arrived {
        Arrived(self.arrived.load(Ordering::Relaxed))
    }

    /// Takes note of what became of a file that began when so many had arrived.
    pub(super) fn note(&self, began: Arrived, result: &Result<(), TransferError>) {
        match result {
            Ok(()) => {
                self.arrived.fetch_add(1, Ordering::Relaxed);
                let is_over = |fault: &Option<TransferError>| {
                    fault.as_ref().is_some_and(|fault| fault.cause != TransferCause::Destination)
                };
                self.fault.send_if_modified(|fault| is_over(fault) && fault.take().is_some());
            }
            Err(error) if self.is_fault(began, error) => {
                self.fault.send_if_modified(|fault| {
                    let is_new = fault.is_none();
                    fault.get_or_insert_with(|| error.clone());
                    is_new
                });
            }
            Err(_) => {}
        }
    }

    fn is_fault(&self, began: Arrived, error: &TransferError) -> bool {
        match error.cause {
            TransferCause::Destination => true,
            TransferCause::AttemptsUsedUp => self.arrived().0 == began.0,
            _ => false,
        }
    }

    /// The error for which the sink is given up.
    pub(super) fn fault(&self) -> Option<TransferError> {
        self.fault.borrow().clone()
    }

    /// Waits, perhaps for ever, until the sink is given up.
    pub(super) async fn given_up(&self) {
        let mut fault = self.fault.subscribe();
        if fault.wait_for(Option::is_some).await.is_err() {
            // The sender is part of this, so it cannot be gone.
            std::future::pending::<()>().await;
        }
    }
}
