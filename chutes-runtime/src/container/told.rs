//! What is told of a container while it runs, for those who come early.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long it may take until a container that has just been started is known to run.
const STARTING_TIME: Duration = Duration::from_secs(2);

/// What is told. Who runs in a container may let others know before the engine has told us that it runs, so it
/// is waited for a while.
pub(crate) async fn told<T: Clone>(of: &watch::Receiver<Option<T>>) -> Option<T> {
    let mut of = of.clone();
    timeout(STARTING_TIME, of.wait_for(Option::is_some)).await.ok()?.ok()?.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_while() {
        let (to, of) = watch::channel(None);
        assert_eq!(told(&of).await, None);
        let (told_late, ()) = tokio::join!(told(&of), async {
            tokio::time::sleep(STARTING_TIME / 2).await;
            to.send_replace(Some(7));
        });
        assert_eq!(told_late, Some(7));
        to.send_replace(None);
        drop(to);
        assert_eq!(told(&of).await, None, "nobody will tell");
    }
}
