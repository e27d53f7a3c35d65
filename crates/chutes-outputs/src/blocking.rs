//! Work with local files, away from the threads that must not block.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chutes_transfer::TransferError;

use super::Sending;

/// Whether work in another thread was abandoned: its result is not wanted any more.
#[derive(Debug, Default)]
pub(super) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    /// Work that is abandoned from its beginning.
    #[cfg(test)]
    pub(super) fn already() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }

    /// To be called between pieces of work, and before anything is made visible.
    pub(super) fn check(&self) -> Result<(), TransferError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(TransferError::transient("the attempt was dropped"));
        }
        Ok(())
    }
}

struct AbandonOnDrop(Arc<AtomicBool>);

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does the work in a thread where it may block. A thread cannot be dropped, so it is asked to end when the
/// future is dropped.
pub(super) fn blocking<'a, T: Send + 'static>(
    work: impl FnOnce(&Abandoned) -> Result<T, TransferError> + Send + 'static,
) -> Sending<'a, T> {
    Box::pin(async {
        let abandoned = Abandoned::default();
        let _abandon = AbandonOnDrop(abandoned.0.clone());
        let task = tokio::task::spawn_blocking(move || work(&abandoned));
        task.await.unwrap_or_else(|error| {
            Err(TransferError::permanent(format!(
                "the work ended early, a fault of chutes: {error}"
            )))
        })
    })
}

/// An error of the local file system. Most are transient: room is made, or a network comes back.
pub(super) fn failed(what: &str, error: &io::Error) -> TransferError {
    use io::ErrorKind::{
        AlreadyExists, FileTooLarge, InvalidFilename, InvalidInput, IsADirectory, NotADirectory,
        NotFound, PermissionDenied, ReadOnlyFilesystem, TooManyLinks, Unsupported,
    };
    let is_permanent = matches!(
        error.kind(),
        AlreadyExists
            | FileTooLarge
            | InvalidFilename
            | InvalidInput
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | ReadOnlyFilesystem
            | TooManyLinks
            | Unsupported
    );
    let message = format!("{what}: {error}");
    if is_permanent { TransferError::permanent(message) } else { TransferError::transient(message) }
}
