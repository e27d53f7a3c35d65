//! What the tests of this crate share.

use tokio::sync::{Mutex, MutexGuard};

/// Held by every test that starts processes or looks at those of this process: tests of one process take turns.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
