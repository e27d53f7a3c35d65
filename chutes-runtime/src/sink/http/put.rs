//! One output file to a presigned URL, by PUT.

use chutes_core::OutputPath;
use reqwest::Client;
use url::Url;

use super::{Target, client, not_the_one, was_written};
use crate::sink::{RunSummary, Sending, Sink, SinkError, SourceFile};

/// Sends one output file to the address of an object.
pub(crate) struct PutSink {
    file: OutputPath,
    target: Target,
    client: Client,
}

impl PutSink {
    /// A sink for this output file, see [`Target::put`].
    pub(crate) fn new(
        file: OutputPath,
        url: Url,
        headers: Vec<(String, String)>,
    ) -> Result<Self, SinkError> {
        let target = Target::put(url, headers)?;
        let client = client(target.is_plain())?;
        Ok(Self { file, target, client })
    }
}

impl Sink for PutSink {
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
