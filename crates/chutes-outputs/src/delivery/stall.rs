//! One attempt at something that a sink is asked for, dropped when it stalls.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chutes_core::HumanDuration;
use chutes_transfer::{RetryPolicy, TransferError};
use futures_util::FutureExt;
use tokio::time::{Instant, sleep_until};

use crate::{Sending, Sink, SourceFile};

/// How often the movement of an attempt is checked in the time in which it has to move.
const LOOKS: u32 = 6;

/// Something that is counted in bytes while it is done.
pub(super) struct Movement<'a> {
    pub(super) moved: &'a (dyn Fn() -> u64 + Send + Sync),
    /// The number after which only the answer is missing.
    pub(super) total: u64,
}

/// Sends a file, once.
///
/// # Errors
///
/// When the sink fails, or nothing moves for too long.
#[must_use = "nothing happens before it is awaited"]
pub fn send_once<'a>(
    policy: &'a RetryPolicy,
    sink: &'a dyn Sink,
    file: &SourceFile,
) -> Sending<'a, ()> {
    // Each attempt has a counter of its own: bytes of another attempt are no movement of this one.
    let file = SourceFile { sent: Arc::new(AtomicU64::new(0)), ..file.clone() };
    Box::pin(async move {
        let moved = || file.sent.load(Ordering::Relaxed);
        watch(policy, Movement { moved: &moved, total: file.bytes }, sink.send(&file)).await
    })
}

/// Drops an attempt that stalls. A panic is a fault of chutes; it must not take other files with it, so
/// it is an error like others.
pub(super) async fn watch<T>(
    policy: &RetryPolicy,
    movement: Movement<'_>,
    attempt: Sending<'_, T>,
) -> Result<T, TransferError> {
    let mut attempt = AssertUnwindSafe(attempt).catch_unwind();
    let (mut seen, mut since) = ((movement.moved)(), Instant::now());
    loop {
        let is_sent = seen >= movement.total;
        let patience = if is_sent { policy.answer } else { policy.stall };
        tokio::select! {
            biased;
            result = &mut attempt => return result.unwrap_or_else(|_| Err(panicked())),
            () = sleep_until((Instant::now() + patience / LOOKS).min(since + patience)) => {}
        }
        let moved = (movement.moved)();
        if moved != seen {
            (seen, since) = (moved, Instant::now());
        } else if since.elapsed() >= patience {
            let patience = HumanDuration(patience);
            return Err(TransferError::transient(if is_sent {
                format!("no answer for {patience}")
            } else {
                format!("no byte was sent for {patience}")
            }));
        }
    }
}

fn panicked() -> TransferError {
    TransferError::permanent("the code of the sink panicked, which is a fault of chutes")
}
