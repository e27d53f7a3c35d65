//! Output files that a spec declares, each to its URL: one sink, and one HTTP client, for all of them.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chutes_core::{Escaped, FileKind, Manifest, OutputPath, RelativePath, Upload, UploadResponse};
use chutes_transfer::http::{Refusal, Resolver, guarded_client};
use chutes_transfer::{AddressPolicy, TransferError};
use reqwest::{Client, StatusCode};

use super::Target;
use super::kept::keep;
use super::written::{Wanted, all_were_written};
use crate::{RunSummary, Sending, Sink, SourceFile};

/// How many files may be on their way at a time.
const CONCURRENCY: usize = 8;

/// How many attempts there are in all when the answer is 400. Some services answer so for a transient
/// fault, and ComputeHorde promises three attempts at an output volume.
const ATTEMPTS_AT_400: usize = 3;

/// Sends each declared file to its URLs.
pub(crate) struct FilesSink {
    name: String,
    client: Client,
    files: HashMap<OutputPath, Declared>,
    /// The files in the order in which they were declared, each once.
    order: Vec<OutputPath>,
}

/// The targets of one file.
struct Declared {
    /// Its name in what is kept of the answers.
    label: String,
    targets: Vec<Target>,
    /// What became of each target. A target that has the file is left out when another one is retried.
    progress: Mutex<Vec<Progress>>,
}

/// What became of one target.
#[derive(Clone, Default)]
struct Progress {
    /// How often it was sent the file.
    attempts: usize,
    /// What it answered when it took it.
    answer: Option<UploadResponse>,
}

impl FilesSink {
    /// A sink for these output files. `name` is how it is shown. The URLs come from a spec, so `addresses`
    /// has to allow them.
    pub(crate) fn new(
        name: String,
        files: &[(RelativePath, Upload)],
        addresses: &AddressPolicy,
    ) -> Result<Self, TransferError> {
        let files = files.iter().map(|(path, to)| (path.into(), path.as_str().to_owned(), to));
        Self::of(name, files, addresses)
    }

    /// A sink for the zip file of the system output.
    pub(crate) fn system_output(
        name: String,
        zip: OutputPath,
        to: &Upload,
        addresses: &AddressPolicy,
    ) -> Result<Self, TransferError> {
        let zip = (zip, UploadResponse::SYSTEM_OUTPUT.to_owned(), to);
        Self::of(name, std::iter::once(zip), addresses)
    }

    fn of<'a>(
        name: String,
        wanted: impl Iterator<Item = (OutputPath, String, &'a Upload)>,
        addresses: &AddressPolicy,
    ) -> Result<Self, TransferError> {
        let (mut files, mut order) = (HashMap::<_, Declared>::new(), Vec::new());
        for (path, label, to) in wanted {
            let wrong = |problem: &dyn Display| {
                TransferError::permanent(format!("`/output/{}`: {problem}", Escaped(&label)))
            };
            let target = Target::new(to).map_err(|error| wrong(&error.message))?;
            addresses.check_url(target.url()).map_err(|error| wrong(&error))?;
            let declared = files.entry(path).or_insert_with_key(|path| {
                order.push(path.clone());
                Declared { label, targets: Vec::new(), progress: Mutex::default() }
            });
            declared.targets.push(target);
        }
        let is_plain = files.values().flat_map(|file| &file.targets).all(Target::is_plain);
        let client = guarded_client(is_plain, &Resolver::new(addresses.clone()))?;
        Ok(Self { name, client, files, order })
    }

    async fn upload(&self, file: &SourceFile) -> Result<(), TransferError> {
        let Some(declared) = self.files.get(&file.path) else {
            return Err(TransferError::permanent("no output volume takes it"));
        };
        for (at, target) in declared.targets.iter().enumerate() {
            let Some(attempt) = declared.next_attempt(at) else { continue };
            let sent = target.send(&self.client, file).await;
            let response = sent.map_err(|refusal| judge(refusal, attempt))?;
            declared.set(at, keep(response, declared.label.clone()).await);
        }
        Ok(())
    }

    /// Names the declared files that were not there to be sent.
    fn all_were_written(&self, manifest: &Manifest) -> Result<(), TransferError> {
        let wanted = self.order.iter().filter_map(|path| {
            let declared = self.files.get(path)?;
            let name = format!("/output/{}", Escaped(&declared.label));
            Some(Wanted { path, name, goes_to: Some(declared.places()) })
        });
        all_were_written(wanted, manifest)
    }
}

impl Declared {
    /// The number of the next attempt at a target, from 1 on. `None` when it has the file.
    fn next_attempt(&self, target: usize) -> Option<usize> {
        let mut progress = self.progress();
        let progress = &mut progress[target];
        if progress.answer.is_some() {
            return None;
        }
        progress.attempts += 1;
        Some(progress.attempts)
    }

    fn set(&self, target: usize, answer: UploadResponse) {
        self.progress()[target].answer = Some(answer);
    }

    /// One for each target.
    fn progress(&self) -> MutexGuard<'_, Vec<Progress>> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.resize_with(self.targets.len(), Progress::default);
        progress
    }

    fn places(&self) -> String {
        self.targets.iter().map(Target::name).collect::<Vec<_>>().join(" and ")
    }
}

/// What a refusal means after this number of attempts.
fn judge(refusal: Refusal, attempt: usize) -> TransferError {
    let Refusal { status, mut error, .. } = refusal;
    if status == StatusCode::BAD_REQUEST && !error.is_transient {
        error.is_transient = attempt < ATTEMPTS_AT_400;
        if !error.is_transient {
            error.message = format!("{} (after {attempt} attempts)", error.message);
        }
    }
    error
}

impl Sink for FilesSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn is_declared(&self) -> bool {
        true
    }

    fn concurrency(&self) -> usize {
        CONCURRENCY
    }

    fn skips(&self, file: &SourceFile) -> Option<String> {
        let is_declared = file.kind == FileKind::Output && self.files.contains_key(&file.path);
        (!is_declared).then(|| "no output volume takes it".to_owned())
    }

    fn send<'a>(&'a self, file: &'a SourceFile) -> Sending<'a, ()> {
        Box::pin(self.upload(file))
    }

    fn answers_for(&self, kind: FileKind, path: &OutputPath) -> Vec<UploadResponse> {
        let declared = self.files.get(path).filter(|_| kind == FileKind::Output);
        declared.map_or_else(Vec::new, |declared| {
            declared.progress().iter().filter_map(|target| target.answer.clone()).collect()
        })
    }

    fn finish<'a>(&'a self, run: &'a RunSummary) -> Sending<'a, ()> {
        Box::pin(async { self.all_were_written(&run.manifest) })
    }
}
