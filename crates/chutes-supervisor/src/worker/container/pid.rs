//! What others have to know of a container that runs: which it is, and its first process.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use super::Shared;

/// Tells that the container runs, and its pid, until this is dropped.
pub(super) async fn tell(shared: Arc<Shared>) {
    let Ok(engine) = shared.engine() else { return };
    let _runs = Told::set(&shared.running, (engine.clone(), shared.name()));
    // On another machine the pid is that of another process.
    let pid = if engine.is_local() {
        let state = engine.inspect(&shared.name()).await.ok().and_then(|found| found.state);
        state.and_then(|state| i32::try_from(state.pid?).ok())
    } else {
        None
    };
    // Zero is the pid of a container that has ended.
    let _pid = pid.filter(|pid| *pid > 0).map(|pid| Told::set(&shared.pid, pid));
    pending::<()>().await;
}

/// It is told for as long as this is there.
struct Told<'a, T> {
    to: &'a watch::Sender<Option<T>>,
}

impl<'a, T> Told<'a, T> {
    fn set(to: &'a watch::Sender<Option<T>>, what: T) -> Self {
        to.send_replace(Some(what));
        Self { to }
    }
}

impl<T> Drop for Told<'_, T> {
    fn drop(&mut self) {
        self.to.send_replace(None);
    }
}
