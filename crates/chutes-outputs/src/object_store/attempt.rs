//! One attempt at something with an object store, and what its failure means.
//!
//! `object_store` reports everything that went wrong as one text. So the requests of an attempt are watched
//! where they are made: `transport` records the answer that was a refusal.

use std::error::Error;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chutes_transfer::TransferError;
use chutes_transfer::http::Secrets;

tokio::task_local! {
    static ATTEMPT: Arc<Attempt>;
}

/// How many characters are shown of an error that no answer explains.
const SHOWN: usize = 300;

/// What is known of an attempt.
#[derive(Default)]
pub(super) struct Attempt {
    sent: Option<Arc<AtomicU64>>,
    refusal: Mutex<Option<StoreError>>,
}

impl Attempt {
    /// The attempt that this task makes.
    pub(super) fn current() -> Option<Arc<Self>> {
        ATTEMPT.try_with(Clone::clone).ok()
    }

    /// Counts bytes of the file that have gone out.
    pub(super) fn count(&self, bytes: usize) {
        if let Some(sent) = &self.sent {
            sent.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// Notes why a request failed. The last one is what the attempt failed for.
    pub(super) fn refused(&self, error: StoreError) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) enum StoreError {
    /// There is no such object, no such bucket, or no such upload.
    NotFound(TransferError),
    /// Anything else.
    Other(TransferError),
}

impl StoreError {
    /// Whether every other attempt would meet it, too.
    pub(super) fn is_permanent(&self) -> bool {
        let (Self::NotFound(error) | Self::Other(error)) = self;
        !error.is_transient
    }

    /// `None` where the error is that the store forbids the action.
    pub(super) fn unless_forbidden<T>(self) -> Result<Option<T>, TransferError> {
        match self {
            Self::Other(error) if !error.is_transient => Ok(None),
            error => Err(error.into()),
        }
    }
}

impl From<StoreError> for TransferError {
    fn from(error: StoreError) -> Self {
        let (StoreError::NotFound(error) | StoreError::Other(error)) = error;
        error
    }
}

/// Makes an attempt. What its requests send of a file is counted as `sent`.
pub(super) async fn attempt<T>(
    sent: Option<&Arc<AtomicU64>>,
    action: impl Future<Output = object_store::Result<T>>,
) -> Result<T, StoreError> {
    let attempt = Arc::new(Attempt { sent: sent.cloned(), refusal: Mutex::default() });
    let result = ATTEMPT.scope(attempt.clone(), action).await;
    result.map_err(|error| {
        let refusal = attempt.refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
        refusal.unwrap_or_else(|| unexplained(&error))
    })
}

/// An error without a refusing answer: a granted answer that cannot be parsed, missing credentials, or a
/// store without HTTP.
fn unexplained(error: &object_store::Error) -> StoreError {
    use object_store::Error as Kind;
    // Only the innermost cause is shown: the errors around it repeat addresses.
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let first = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
    let why = Secrets::default().excerpt(&first, SHOWN, false);
    StoreError::Other(match error {
        Kind::NotFound { .. } => {
            return StoreError::NotFound(TransferError::permanent("it is not in the object store"));
        }
        Kind::Generic { .. } | Kind::JoinError { .. } => {
            TransferError::transient(format!("the object store failed: {why}"))
        }
        _ => TransferError::permanent(format!("the object store refused: {why}")),
    })
}
