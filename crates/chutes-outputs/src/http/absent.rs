//! Sinks over HTTP in a build without the feature `http`: none can be opened.

use std::sync::Arc;

use chutes_core::{HttpUrl, OutputPath, RelativePath, Upload, missing};
use chutes_transfer::{AddressPolicy, TransferError};

use crate::{OpenSink, Sink};

/// No URLs: none can be added.
pub(crate) struct Urls;

#[expect(
    clippy::unused_self,
    clippy::unnecessary_wraps,
    reason = "these are the functions of the part"
)]
impl Urls {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn add(
        &mut self,
        _: usize,
        _: &OutputPath,
        _: &Upload,
    ) -> Result<(), TransferError> {
        Err(absent())
    }

    pub(crate) fn open(self) -> Result<Vec<OpenSink>, TransferError> {
        Ok(Vec::new())
    }
}

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
