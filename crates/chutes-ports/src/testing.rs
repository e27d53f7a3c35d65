//! What the tests of this crate share.

use tokio::sync::{Mutex, MutexGuard};

/// A lock that every test holds that starts processes or reads those of this process, so that they run one
/// at a time.
pub(crate) async fn exclusive() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    TURN.lock().await
}
