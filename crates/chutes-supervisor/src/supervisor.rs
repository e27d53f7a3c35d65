//! An attempt that is being put together, then made, then supervised.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chutes_core::{
    ClassProfile, JobContract, Json, Outcome, RunId, RunRequest, SinkSpec, TimeLimit, Work,
};
use chutes_outputs::{Sink, check_places};
use chutes_transfer::AddressPolicy;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use crate::access;
use crate::attempt;
use crate::cancel::CancelHandle;
use crate::control::{Controls, Parts};
use crate::deliver::{self, Sinks};
use crate::directory::{RunDirectory, RunDirectoryError, RunRoot};
use crate::download::{self, Downloads, FetchSettings};
use crate::error::RunError;
use crate::extension::Extension;
use crate::logs::index::OutputIndex;
use crate::made_folders::MadeFolders;
use crate::observer::Observer;
use crate::run_log::{Begin, Fact, Follower, LogFile, RunLog};
use crate::worker::StartWorker;

/// One attempt of a run that is being put together, from its request.
///
/// A job needs its contract, which says what it declares: its ports, its limit, whether its files may leave
/// the directory of the run. An image has none.
pub struct Supervisor {
    pub(crate) request: RunRequest,
    /// `None` for an image.
    pub(crate) contract: Option<JobContract>,
    test_sinks: Vec<Arc<dyn Sink>>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) cancel: CancelHandle,
    classes: &'static [ClassProfile],
    /// A longer limit of the execute phase, once there is one.
    pub(crate) extension: watch::Sender<Option<Duration>>,
    /// Where the output of the worker is, for clients of the control socket.
    pub(crate) output: OutputIndex,
}

impl Supervisor {
    /// The attempt that is asked for. Nothing is made or started yet.
    #[must_use]
    pub fn new(request: RunRequest) -> Self {
        Self {
            request,
            contract: None,
            test_sinks: Vec::new(),
            observer: None,
            cancel: CancelHandle::new(),
            classes: &[],
            extension: watch::Sender::new(None),
            output: OutputIndex::default(),
        }
    }

    /// A new id for a run: a UUIDv7.
    #[must_use]
    pub fn new_id() -> RunId {
        RunId::from_bytes(uuid::Uuid::now_v7().into_bytes())
    }

    /// What is asked for.
    #[must_use]
    pub fn request(&self) -> &RunRequest {
        &self.request
    }

    /// What is asked for, to be changed.
    pub fn request_mut(&mut self) -> &mut RunRequest {
        &mut self.request
    }

    /// Sets what the job of the spec declares. Required for jobs.
    #[must_use]
    pub fn contract(mut self, contract: JobContract) -> Self {
        self.contract = Some(contract);
        self
    }

    /// Sets which classes of machine there are besides [`ClassProfile::BUILT_IN`]. Default none: a spec which asks for
    /// another class is refused.
    #[must_use]
    pub fn classes(mut self, classes: &'static [ClassProfile]) -> Self {
        self.classes = classes;
        self
    }

    /// Adds sinks that exist in this process only, for tests: `recover` does not know them, and with them
    /// every delay between two attempts of a delivery is the longest.
    #[must_use]
    pub fn test_sinks(mut self, sinks: Vec<Arc<dyn Sink>>) -> Self {
        self.test_sinks = sinks;
        self
    }

    /// Sets what receives everything that happens. Default nothing.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Asks this run to stop, from anywhere, as often as you like: before, while and after it runs.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Whether files come or go, or clients connect: then one thread is not enough.
    #[must_use]
    pub fn has_transfers(&self) -> bool {
        let has_ssh = self.contract.as_ref().is_some_and(|contract| contract.ports.ssh());
        let is_reached = has_ssh || self.request.spec.streaming.is_some();
        let has_files = self.request.has_sinks() || !self.request.spec.input_volumes.is_empty();
        has_files || is_reached || self.contract.is_none()
    }

    /// Makes the directory of the run and writes down what was asked for.
    ///
    /// # Errors
    ///
    /// When the class of the spec is unknown, when the contract is not that of its job, when the environment says
    /// something of its volumes that cannot be understood, when there is something in the directory, or when it
    /// cannot be made or written.
    pub fn create(self) -> Result<CreatedRun, RunError> {
        self.request.spec.check_class(self.classes)?;
        self.check_contract()?;
        let fetch_settings = self.fetch_settings()?;
        let places = self.places()?;
        let sinks = Sinks::open(&places, &self.request.directory, &self.addresses())?;
        let sinks = sinks.with(&self.test_sinks);
        let made_folders = MadeFolders::missing(&places);
        // Afterwards it would be too late to choose another place.
        check_places(&places, &self.request.directory)?;
        let directory = RunDirectory::create(&self.request.directory)?;
        if self.request.spec.artifacts_dir.is_some() {
            directory.make_artifacts()?;
        }
        let root = Arc::new(RunRoot::open(&directory)?);
        let file = root.create_log().map_err(|error| match error.kind() {
            // Another run was faster.
            io::ErrorKind::AlreadyExists => {
                RunDirectoryError::NotEmpty { path: directory.root().to_owned() }.into()
            }
            _ => RunError::Journal(error),
        })?;
        deliver::remember(&places, &root).map_err(RunError::Journal)?;
        let log = RunLog::new(LogFile::new(Arc::clone(&root), file), Arc::clone(&root));
        let spec = access::without_private_key(self.request.spec.without_secrets());
        let begin = Begin::new(&self.request, spec, self.uploads());
        log.record(Fact::Run(Box::new(begin))).map_err(RunError::Journal)?;
        let attempt = self;
        Ok(CreatedRun { attempt, directory, root, log, sinks, made_folders, fetch_settings })
    }

    /// Whether the contract is that of what is to be run.
    fn check_contract(&self) -> Result<(), RunError> {
        let is_right = match (&self.request.spec.work, &self.contract) {
            (Work::Job { job, .. }, Some(contract)) => contract.name == *job,
            (Work::Image { .. }, contract) => contract.is_none(),
            (Work::Job { .. }, None) => false,
        };
        let target = || self.request.spec.target().to_string();
        if is_right { Ok(()) } else { Err(RunError::Contract { target: target() }) }
    }

    /// Where this very run delivers to, also for a process in another directory.
    fn places(&self) -> Result<Vec<SinkSpec>, RunError> {
        let here = std::env::current_dir();
        let place = |sink: &SinkSpec| {
            let sink = sink.for_run(self.request.run_id, &self.request.spec.target());
            match &here {
                Ok(here) => Ok(sink.in_directory(here)),
                // An absolute place is the same everywhere.
                Err(_) if sink.in_directory(Path::new("/")) == sink => Ok(sink),
                Err(error) => Err(RunError::WorkingDirectory {
                    place: sink.to_string(),
                    reason: error.to_string(),
                }),
            }
        };
        self.request.all_sinks().iter().map(place).collect()
    }

    /// Whether files may leave the directory of the run.
    pub(crate) fn uploads(&self) -> bool {
        self.contract.as_ref().is_none_or(|contract| contract.upload)
    }

    /// The data of the job; an image has none.
    pub(crate) fn job_data(&self) -> Json {
        match &self.request.spec.work {
            Work::Job { data, .. } => data.clone(),
            Work::Image { .. } => Json::null(),
        }
    }

    /// What it may use: what its class offers, with what the spec asks for beside.
    pub(crate) fn profile(&self) -> ClassProfile {
        let class = self.request.spec.executor_class.as_ref();
        let class = class.and_then(|class| ClassProfile::find(class.as_str(), self.classes));
        class.copied().unwrap_or(ClassProfile::LOCAL).with(&self.request.spec.resources)
    }

    /// What is fetched before user code begins, with these settings.
    pub(crate) fn downloads(&mut self, settings: FetchSettings) -> Downloads {
        // They may be large, and no other part needs them.
        let volumes = std::mem::take(&mut self.request.spec.input_volumes);
        Downloads { volumes, settings }
    }

    /// How volumes are fetched, if there are some. The environment is read here and at no other time.
    fn fetch_settings(&self) -> Result<Option<FetchSettings>, RunError> {
        if self.request.spec.input_volumes.is_empty() {
            return Ok(None);
        }
        let settings = download::settings(&self.request, &self.addresses());
        settings.map(Some).map_err(RunError::VolumeSettings)
    }

    /// Which addresses the spec may name.
    fn addresses(&self) -> AddressPolicy {
        AddressPolicy::new(self.request.allowed_addresses.clone())
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("request", &self.request).finish_non_exhaustive()
    }
}

/// An attempt that has its directory and has not started.
#[derive(Debug)]
pub struct CreatedRun {
    pub(crate) attempt: Supervisor,
    pub(crate) directory: RunDirectory,
    pub(crate) root: Arc<RunRoot>,
    pub(crate) log: RunLog,
    pub(crate) sinks: Sinks,
    pub(crate) made_folders: MadeFolders,
    /// How volumes are fetched, if there are some.
    pub(crate) fetch_settings: Option<FetchSettings>,
}

impl CreatedRun {
    /// The directory of the run.
    #[must_use]
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// What can be asked of the run while it goes on.
    pub(crate) fn controls(&self, parts: watch::Receiver<Parts>) -> Controls {
        let (log, cancel) = (self.log.clone(), self.attempt.cancel.clone());
        let output = Some((Arc::clone(&self.root), self.attempt.output.clone()));
        Controls { log, cancel, extension: self.extension(), parts, output }
    }

    pub(crate) fn extension(&self) -> Extension {
        let declared = self.attempt.contract.as_ref().and_then(|contract| contract.timeout);
        let limit = self.attempt.extension.clone();
        Extension { limit, declared: declared.map(TimeLimit::duration) }
    }

    /// Follows what happens, from the beginning.
    #[must_use]
    pub fn follow(&self) -> Follower {
        self.log.follow(1)
    }

    /// Follows what happens, from the beginning, without the lines that the job prints: for one that has no use for
    /// them, because each line costs time when something follows the lines.
    #[must_use]
    pub fn follow_without_output(&self) -> Follower {
        self.log.follow_without_output(1)
    }

    /// Starts the worker, and takes the attempt to its outcome.
    ///
    /// Whatever user code does, there is exactly one outcome when this returns: in the log, and with all
    /// outputs that can be read in the manifest. When the future is dropped, the attempt is left as if its
    /// supervisor had been killed, and `recover` finishes it.
    #[must_use = "nothing happens before it is awaited"]
    pub fn supervise(self, worker: impl StartWorker + 'static) -> BoxFuture<'static, Outcome> {
        attempt::boxed(self, Box::new(worker))
    }
}
