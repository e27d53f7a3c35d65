//! One output file to a presigned URL, by PUT or by POST.

use chutes_core::OutputPath;
use chutes_transfer::TransferError;
use chutes_transfer::http::client;
use reqwest::Client;

use super::{Target, not_the_one, was_written};
use crate::{RunSummary, Sending, Sink, SourceFile};

/// Sends one output file to the URL of an object, or as part of a form.
pub(crate) struct OneFileSink {
    file: OutputPath,
    target: Target,
    client: Client,
}

impl OneFileSink {
    /// A sink for this output file.
    pub(crate) fn new(file: OutputPath, target: Target) -> Result<Self, TransferError> {
        let client = client(target.is_plain())?;
        Ok(Self { file, target, client })
    }
}

impl Sink for OneFileSink {
    fn name(&self) -> &str {
        self.target.name()
    }

    fn skips(&self, file: &SourceFile) -> Option<String> {
        not_the_one(&self.file, file)
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(self.target.deliver(&self.client, file))
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(async { was_written(&self.file, run) })
    }
}
