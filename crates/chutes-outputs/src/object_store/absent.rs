//! Object stores in a build without the feature `object-store`: none can be opened.

use std::sync::Arc;

use chutes_core::StoreUrl;
use chutes_transfer::TransferError;

use crate::Sink;

pub(crate) fn folder(_: &StoreUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Err(absent())
}

pub(crate) fn object(_: &StoreUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Err(absent())
}

fn absent() -> TransferError {
    TransferError::permanent(
        "this program was built without it: enable the feature `object-store` of the crate `chutes`",
    )
}
