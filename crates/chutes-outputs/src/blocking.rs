//! Work with local files, away from the threads that must not block.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chutes_transfer::{TransferCause, TransferError};

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

/// An error of the local file system. Some are transient: a network comes back. A file system that takes nothing
/// more is a fault for all files.
pub(super) fn failed(what: &str, error: &io::Error) -> TransferError {
    use io::ErrorKind::{
        AlreadyExists, FileTooLarge, InvalidFilename, InvalidInput, IsADirectory, NotADirectory,
        NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull, TooManyLinks,
        Unsupported,
    };
    let message = format!("{what}: {error}");
    if matches!(error.kind(), QuotaExceeded | ReadOnlyFilesystem | StorageFull) {
        let cause = TransferCause::Destination;
        return TransferError { cause, ..TransferError::permanent(message) };
    }
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
            | TooManyLinks
            | Unsupported
    );
    if is_permanent { TransferError::permanent(message) } else { TransferError::transient(message) }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn errors_of_the_file_system() {
        let of = |errno: Errno| failed("cannot write", &errno.into());
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::ROFS] {
            let error = of(errno);
            assert_eq!((error.is_transient, error.cause), (false, TransferCause::Destination));
        }
        for (errno, is_transient) in [
            (Errno::ACCESS, false),
            (Errno::FBIG, false),
            (Errno::NAMETOOLONG, false),
            (Errno::IO, true),
            (Errno::STALE, true),
        ] {
            let error = of(errno);
            assert_eq!((error.is_transient, error.cause), (is_transient, TransferCause::Other));
        }
    }
}
