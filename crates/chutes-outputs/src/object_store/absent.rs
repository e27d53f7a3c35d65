//! Object stores in a build without the feature `object-store`: none can be opened.

use std::sync::Arc;

use chutes_core::{StoreUrl, missing};
use chutes_transfer::TransferError;

use crate::Sink;

pub(crate) fn folder(_: &StoreUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Err(absent())
}

pub(crate) fn object(_: &StoreUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Err(absent())
}

fn absent() -> TransferError {
    TransferError::permanent(missing::part("object stores", "object-store"))
}
