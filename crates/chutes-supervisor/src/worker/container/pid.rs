//! Publishes the handle of a running container and the pid of its first process to other components.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::watch;

use super::Shared;

/// Publishes that the container runs, and its pid, until the future is dropped.
pub(super) async fn publish(shared: Arc<Shared>) {
    let Ok(engine) = shared.engine() else { return };
    let _runs = Published::set(&shared.running, (engine.clone(), shared.name()));
    // The pid of a container on another machine is meaningless here.
    let pid = if engine.is_local() {
        engine.inspect(&shared.name()).await.ok().flatten().and_then(|state| state.pid)
    } else {
        None
    };
    let _pid = pid.map(|pid| Published::set(&shared.pid, pid));
    pending::<()>().await;
}

/// Publishes a value and withdraws it when dropped.
struct Published<'a, T> {
    to: &'a watch::Sender<Option<T>>,
}

impl<'a, T> Published<'a, T> {
    fn set(to: &'a watch::Sender<Option<T>>, what: T) -> Self {
        to.send_replace(Some(what));
        Self { to }
    }
}

impl<T> Drop for Published<'_, T> {
    fn drop(&mut self) {
        self.to.send_replace(None);
    }
}
