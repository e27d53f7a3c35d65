//! Sinks over HTTP in a build without the feature `http`: none can be opened.

use std::sync::Arc;

use chutes_core::{HttpUrl, OutputPath, RelativePath, Upload, missing};
use chutes_transfer::{AddressPolicy, TransferError};

use crate::Sink;

pub(crate) fn one_file(_: OutputPath, _: &Upload) -> Result<Arc<dyn Sink>, TransferError> {
    Err(absent())
}

pub(crate) fn files(
    _: String,
    _: &[(RelativePath, Upload)],
    _: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    Err(absent())
}

pub(crate) fn system_output(
    _: String,
    _: OutputPath,
    _: &Upload,
    _: &AddressPolicy,
) -> Result<Arc<dyn Sink>, TransferError> {
    Err(absent())
}

pub(crate) fn status_url(_: &HttpUrl) -> Result<Arc<dyn Sink>, TransferError> {
    Err(absent())
}

fn absent() -> TransferError {
    TransferError::permanent(missing::part("transfers over HTTP", "http"))
}
