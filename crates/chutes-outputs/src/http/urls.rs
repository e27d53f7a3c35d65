//! Output files to presigned URLs of one server, by PUT or by POST: one sink, and one HTTP client, for all of them.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use chutes_core::{Escaped, FileKind, OutputPath, Upload};
use chutes_transfer::TransferError;
use chutes_transfer::http::client;
use reqwest::Client;
use url::Origin;

use super::Target;
use super::written::{Wanted, all_were_written};
use crate::{OpenSink, RunSummary, Sending, Sink, SourceFile};

/// How many files may be on their way at a time. Small ones are mostly waiting.
const CONCURRENCY: usize = 16;

/// The URLs of a run that single output files go to, grouped: those of one server are one sink, because a server that
/// takes nothing is given up as a whole, and another one is not.
pub(crate) struct Urls(Vec<Group>);

/// URLs of one server.
struct Group {
    /// The number of the first of them.
    number: usize,
    files: UrlFiles,
}

impl Urls {
    /// No URLs yet.
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the place of this number, to which one file goes. A second URL for the same file is for another sink, so that
    /// what became of the file is known for each URL.
    pub(crate) fn add(
        &mut self,
        number: usize,
        file: &OutputPath,
        to: &Upload,
    ) -> Result<(), TransferError> {
        let target = Target::new(to)?;
        let fits = |group: &&mut Group| group.files.takes(file, &target);
        if let Some(group) = self.0.iter_mut().find(fits) {
            group.files.add(file.clone(), target);
        } else {
            self.0.push(Group { number, files: UrlFiles::new(file.clone(), target) });
        }
        Ok(())
    }

    /// The sinks, each with the number of the first of its places.
    pub(crate) fn open(self) -> Result<Vec<OpenSink>, TransferError> {
        let open = |Group { number, files }| {
            let sink = Arc::new(UrlsSink::new(files)?);
            Ok(OpenSink { number, sink })
        };
        self.0.into_iter().map(open).collect()
    }
}

/// Output files with their URLs at one server: at least one.
pub(super) struct UrlFiles {
    server: Origin,
    /// In the order in which they were asked for, each file once.
    files: Vec<(OutputPath, Target)>,
    /// Where each file is in the list.
    places: HashMap<OutputPath, usize>,
}

impl UrlFiles {
    pub(super) fn new(file: OutputPath, target: Target) -> Self {
        let server = target.url().origin();
        let mut files = Self { server, files: Vec::new(), places: HashMap::new() };
        files.add(file, target);
        files
    }

    /// Whether the URL is one of the same server, for a file that has none yet.
    fn takes(&self, file: &OutputPath, target: &Target) -> bool {
        self.server == target.url().origin() && !self.places.contains_key(file)
    }

    pub(super) fn add(&mut self, file: OutputPath, target: Target) {
        self.places.insert(file.clone(), self.files.len());
        self.files.push((file, target));
    }

    fn target(&self, file: &OutputPath) -> Option<&Target> {
        Some(&self.files.get(*self.places.get(file)?)?.1)
    }

    /// How they are shown: a single URL as it is, several by their number and their server.
    fn name(&self) -> String {
        match &self.files[..] {
            [(_, only)] => only.name().to_owned(),
            all => format!("{} URLs at {}", all.len(), self.server.ascii_serialization()),
        }
    }
}

/// Sends each of some output files to the URL of an object, or as part of a form.
pub(super) struct UrlsSink {
    name: String,
    client: Client,
    urls: UrlFiles,
}

impl UrlsSink {
    /// A sink for these files.
    pub(super) fn new(urls: UrlFiles) -> Result<Self, TransferError> {
        let is_plain = urls.files.iter().all(|(_, target)| target.is_plain());
        Ok(Self { name: urls.name(), client: client(is_plain)?, urls })
    }

    async fn upload(&self, file: &SourceFile) -> Result<(), TransferError> {
        match self.urls.target(&file.path) {
            Some(target) => target.deliver(&self.client, file).await,
            None => Err(TransferError::permanent(self.takes_only())),
        }
    }

    fn takes_only(&self) -> String {
        match &self.urls.files[..] {
            [(file, _)] => format!("this sink takes only `{}`", Escaped(&file.to_string())),
            all => format!("this sink takes only {} files that have a URL", all.len()),
        }
    }
}

impl Sink for UrlsSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    fn skips(&self, file: &SourceFile) -> Option<String> {
        let is_wanted = file.kind == FileKind::Output && self.urls.target(&file.path).is_some();
        (!is_wanted).then(|| self.takes_only())
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(self.upload(file))
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        let wanted = self.urls.files.iter().map(|(path, _)| {
            let name = Escaped(&path.to_string()).to_string();
            Wanted { path, name, goes_to: None }
        });
        let written = all_were_written(wanted, &run.manifest);
        Box::pin(std::future::ready(written))
    }
}
