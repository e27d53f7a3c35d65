//! Waiting for a value that is known only after a container has started.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long it may take until a container that has just been started is known to run.
const STARTING_TIME: Duration = Duration::from_secs(2);

/// Waits for a value that is known soon after the start of a container, for at most 2 seconds. A program in
/// a container may accept clients before the engine has reported that the container runs.
pub async fn await_started<T: Clone>(value: &watch::Receiver<Option<T>>) -> Option<T> {
    let mut value = value.clone();
    timeout(STARTING_TIME, value.wait_for(Option::is_some)).await.ok()?.ok()?.clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_a_while() {
        let (sender, receiver) = watch::channel(None);
        assert_eq!(await_started(&receiver).await, None);
        let (late, ()) = tokio::join!(await_started(&receiver), async {
            tokio::time::sleep(STARTING_TIME / 2).await;
            sender.send_replace(Some(7));
        });
        assert_eq!(late, Some(7));
        sender.send_replace(None);
        drop(sender);
        assert_eq!(await_started(&receiver).await, None, "no value will come");
    }
}
