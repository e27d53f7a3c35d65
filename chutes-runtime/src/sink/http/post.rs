//! One output file to a presigned form, by POST.

use chutes_core::OutputPath;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, StatusCode};
use url::Url;

use super::put::read_headers;
use super::{
    Exchange, Form, Outgoing, Secrets, client, content_type, not_the_one, permanent, shown,
    was_written,
};
use crate::sink::{RunSummary, Sending, Sink, SinkError, SourceFile};

/// Sends one output file as part of a form, for instance with a POST policy of S3.
pub(crate) struct PostSink {
    file: OutputPath,
    url: Url,
    name: String,
    fields: Vec<(String, String)>,
    headers: HeaderMap,
    secrets: Secrets,
    client: Client,
}

impl PostSink {
    /// A sink for this output file. The fields are sent in this order, and the file after them, as the
    /// field `file`: S3 takes no notice of what comes after the file.
    pub(crate) fn new(
        file: OutputPath,
        url: Url,
        fields: Vec<(String, String)>,
        headers: Vec<(String, String)>,
    ) -> Result<Self, SinkError> {
        if fields.iter().any(|(name, _)| name == "file") {
            return Err(permanent("the form field `file` is the file itself: leave it out"));
        }
        let (headers, mut secrets) = read_headers(headers)?;
        if headers.contains_key(CONTENT_TYPE) {
            return Err(permanent(
                "the header `content-type` of a form cannot be given: the type of the file is a field",
            ));
        }
        for (_, value) in &fields {
            secrets.add(value);
        }
        let client = client(url.scheme() == "http")?;
        Ok(Self { file, name: shown(&url), url, fields, headers, secrets, client })
    }

    async fn post(&self, file: &SourceFile) -> Result<(), SinkError> {
        let file_name = String::from_utf8_lossy(file.path.file_name());
        let form = Form::new(&self.fields, &file_name, content_type(&file.path), &[]);
        let outgoing = Outgoing::open(file, form.before, form.after).await?;
        let exchange =
            Exchange::new("POST", &self.url, &self.secrets).accepting(self.confirming_redirect());
        let request = self.client.post(self.url.clone()).headers(self.headers.clone());
        outgoing.deliver(request.header(CONTENT_TYPE, form.content_type), &exchange).await
    }

    /// S3 says by a redirect that it has the file, if the form asks for it, and otherwise never.
    fn confirming_redirect(&self) -> Option<StatusCode> {
        let asks = |name: &str| ["success_action_redirect", "redirect"].contains(&name);
        self.fields.iter().any(|(name, _)| asks(name)).then_some(StatusCode::SEE_OTHER)
    }
}

impl Sink for PostSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn skips(&self, file: &SourceFile) -> Option<String> {
        not_the_one(&self.file, file)
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(self.post(file))
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(async { was_written(&self.file, run) })
    }
}
