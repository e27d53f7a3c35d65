//! One output file to a presigned form, by POST.

use chutes_core::OutputPath;
use reqwest::Client;
use url::Url;

use super::{Target, client, not_the_one, was_written};
use crate::sink::{RunSummary, Sending, Sink, SinkError, SourceFile};

/// Sends one output file as part of a form, for instance with a POST policy of S3.
pub(crate) struct PostSink {
    file: OutputPath,
    target: Target,
    client: Client,
}

impl PostSink {
    /// A sink for this output file, see [`Target::post`].
    pub(crate) fn new(
        file: OutputPath,
        url: Url,
        fields: Vec<(String, String)>,
        headers: Vec<(String, String)>,
    ) -> Result<Self, SinkError> {
        let target = Target::post(url, fields, headers)?;
        let client = client(target.is_plain())?;
        Ok(Self { file, target, client })
    }
}

impl Sink for PostSink {
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
