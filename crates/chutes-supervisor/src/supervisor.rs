//! An attempt that is being put together, then made, then supervised.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chutes_core::{
    ClassProfile, ContainerPath, JobContract, JobSpec, Json, Outcome, Publish, RunId, SinkSpec,
    Work,
};
use chutes_outputs::{Sink, check_local};
use chutes_transfer::AddressPolicy;

use tokio::sync::watch;

use crate::access::{self, AccessSettings};
use crate::cancel::CancelHandle;
use crate::deliver::{self, Sinks};
use crate::directory::{RunDirectory, RunDirectoryError, RunRoot};
use crate::download::{Downloads, VolumeSettings, with_addresses};
use crate::error::RunError;
use crate::journal::{Entry, Journal};
use crate::observer::Observer;
use crate::supervise;
use crate::worker::StartWorker;

/// One attempt of a run that is being put together.
///
/// A job needs its contract, which says what it declares: its ports, its limit, whether its files may leave
/// the directory of the run. An image has none.
pub struct Supervisor {
    /// `None` for an image.
    pub(crate) contract: Option<JobContract>,
    pub(crate) run_id: RunId,
    pub(crate) attempt: u32,
    pub(crate) spec: JobSpec,
    sinks: Vec<SinkSpec>,
    more_sinks: Vec<Arc<dyn Sink>>,
    pub(crate) live: bool,
    directory: PathBuf,
    pub(crate) access: AccessSettings,
    /// Which addresses the spec may name.
    addresses: AddressPolicy,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) cancel: CancelHandle,
    volume_settings: Option<VolumeSettings>,
    classes: &'static [ClassProfile],
    /// A longer limit of the execute phase, once there is one.
    pub(crate) extension: watch::Sender<Option<Duration>>,
}

impl Supervisor {
    /// A first attempt of this spec in this directory. Its files go where the output volumes of the spec
    /// say. Nothing is made or started yet.
    #[must_use]
    pub fn new(run_id: RunId, spec: JobSpec, directory: impl Into<PathBuf>) -> Self {
        Self {
            contract: None,
            run_id,
            attempt: 1,
            sinks: spec.output_volumes.sinks(),
            spec,
            more_sinks: Vec::new(),
            live: false,
            directory: directory.into(),
            access: AccessSettings::default(),
            addresses: AddressPolicy::default(),
            observer: Arc::new(()),
            cancel: CancelHandle::new(),
            volume_settings: None,
            classes: &[],
            extension: watch::Sender::new(None),
        }
    }

    /// A new id for a run: a UUIDv7.
    #[must_use]
    pub fn new_id() -> RunId {
        RunId::from_bytes(uuid::Uuid::now_v7().into_bytes())
    }

    /// Sets what the job of the spec declares. Required for jobs.
    #[must_use]
    pub fn contract(mut self, contract: JobContract) -> Self {
        self.contract = Some(contract);
        self
    }

    /// Sets which classes of machine there are. Default none, so that a spec which asks for one is refused.
    #[must_use]
    pub fn classes(mut self, classes: &'static [ClassProfile]) -> Self {
        self.classes = classes;
        self
    }

    /// Sets the number of the attempt, from 1. Default 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The id of the run.
    #[must_use]
    pub fn id(&self) -> RunId {
        self.run_id
    }

    /// What is asked for.
    #[must_use]
    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }

    /// What is asked for, to be changed.
    pub fn spec_mut(&mut self) -> &mut JobSpec {
        &mut self.spec
    }

    /// Sets the directory of the run, which is made: new, empty, or with nothing but `inputs/` in it.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Sets where files are delivered to, in place of the output volumes of the spec.
    #[must_use]
    pub fn sinks(mut self, sinks: Vec<SinkSpec>) -> Self {
        self.sinks = sinks;
        self
    }

    /// Adds places that files are delivered to.
    #[must_use]
    pub fn more_sinks(mut self, sinks: Vec<SinkSpec>) -> Self {
        self.sinks.extend(sinks);
        self
    }

    /// Adds sinks that exist in this process only, for tests: `recover` does not know them, and with them
    /// every delay between two attempts of a delivery is the longest.
    #[must_use]
    pub fn test_sinks(mut self, sinks: Vec<Arc<dyn Sink>>) -> Self {
        self.more_sinks = sinks;
        self
    }

    /// Sets whether finished output files are delivered while the job goes on. Default no.
    #[must_use]
    pub fn live_delivery(mut self, live: bool) -> Self {
        self.live = live;
        self
    }

    /// Sets how the run is reached, apart from what its spec says. Default: from this machine alone.
    #[must_use]
    pub fn access(mut self, settings: AccessSettings) -> Self {
        self.access = settings;
        self
    }

    /// How the run is reached, to be changed.
    pub fn access_mut(&mut self) -> &mut AccessSettings {
        &mut self.access
    }

    /// Opens ports under other numbers than the declared ones, in place of what the spec says.
    #[must_use]
    pub fn publish(mut self, publish: Vec<Publish>) -> Self {
        self.spec.publish = publish;
        self
    }

    /// Sets which addresses the spec may name. Default: none of the local link and of metadata services.
    #[must_use]
    pub fn addresses(mut self, addresses: AddressPolicy) -> Self {
        self.addresses = addresses;
        self
    }

    /// Sets how input volumes are fetched. Default: as the environment says.
    #[must_use]
    pub fn volume_settings(mut self, settings: VolumeSettings) -> Self {
        self.volume_settings = Some(settings);
        self
    }

    /// Sets what receives everything that happens. Default nothing.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
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
        let is_reached = has_ssh || self.spec.streaming.is_some();
        let has_files = !self.sinks.is_empty() || !self.spec.input_volumes.is_empty();
        has_files || is_reached || self.contract.is_none()
    }

    /// Where artifacts are as user code sees them.
    #[must_use]
    pub fn artifacts_dir(&self) -> Option<ContainerPath> {
        self.spec.artifacts_dir.clone()
    }

    /// Makes the directory of the run and writes down what was asked for.
    ///
    /// # Errors
    ///
    /// When the class of the spec is unknown, when there is something in the directory, or when it cannot
    /// be made or written.
    pub fn create(self) -> Result<CreatedRun, RunError> {
        self.spec.check_class(self.classes)?;
        let places = self.places()?;
        let sinks = Sinks::open(&places, &self.directory, &self.addresses)?;
        let sinks = sinks.with(&self.more_sinks);
        // Afterwards it would be too late to choose another place.
        check_local(&places, &self.directory)?;
        let directory = RunDirectory::create(&self.directory)?;
        if self.spec.artifacts_dir.is_some() {
            directory.make_artifacts()?;
        }
        let root = Arc::new(RunRoot::open(&directory)?);
        let file = root.create_journal().map_err(|error| match error.kind() {
            // Another run was faster.
            io::ErrorKind::AlreadyExists => {
                RunDirectoryError::NotEmpty { path: directory.root().to_owned() }.into()
            }
            _ => RunError::Journal(error),
        })?;
        deliver::remember(&places, &root).map_err(RunError::Journal)?;
        let mut journal = Journal::new(file);
        let spec = access::without_private_key(self.spec.without_secrets());
        let begin = Entry::Run { id: self.run_id, spec: &spec, uploads: self.uploads() };
        journal.append(begin).map_err(RunError::Journal)?;
        Ok(CreatedRun { attempt: self, directory, root, journal, sinks })
    }

    /// Where this very run delivers to, also for a process in another directory.
    fn places(&self) -> Result<Vec<SinkSpec>, RunError> {
        let here = std::env::current_dir().map_err(RunError::Journal)?;
        let place =
            |sink: &SinkSpec| sink.for_run(self.run_id, &self.spec.target()).in_directory(&here);
        Ok(self.sinks.iter().map(place).collect())
    }

    /// Whether files may leave the directory of the run.
    pub(crate) fn uploads(&self) -> bool {
        self.contract.as_ref().is_none_or(|contract| contract.upload)
    }

    /// The data of the job; an image has none.
    pub(crate) fn job_data(&self) -> Json {
        match &self.spec.work {
            Work::Job { data, .. } => data.clone(),
            Work::Image { .. } => Json::null(),
        }
    }

    /// What it may use: what its class offers, with what the spec asks for beside.
    pub(crate) fn profile(&self) -> ClassProfile {
        let class = self.spec.executor_class.as_ref();
        let class =
            class.and_then(|class| self.classes.iter().find(|it| it.name == class.as_str()));
        class.copied().unwrap_or(ClassProfile::LOCAL).with(&self.spec.resources)
    }

    /// What is fetched before user code begins.
    pub(crate) fn downloads(&mut self) -> Downloads {
        Downloads {
            // They may be large, and no other part needs them.
            volumes: std::mem::take(&mut self.spec.input_volumes),
            settings: self
                .volume_settings
                .take()
                .map(|settings| with_addresses(settings, self.addresses.clone())),
        }
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("run_id", &self.run_id)
            .field("attempt", &self.attempt)
            .field("spec", &self.spec)
            .field("directory", &self.directory)
            .finish_non_exhaustive()
    }
}

/// An attempt that has its directory and has not started.
#[derive(Debug)]
pub struct CreatedRun {
    pub(crate) attempt: Supervisor,
    pub(crate) directory: RunDirectory,
    pub(crate) root: Arc<RunRoot>,
    pub(crate) journal: Journal,
    pub(crate) sinks: Sinks,
}

impl CreatedRun {
    /// The directory of the run.
    #[must_use]
    pub fn directory(&self) -> &RunDirectory {
        &self.directory
    }

    /// Starts the worker, and takes the attempt to its outcome.
    ///
    /// Whatever user code does, there is exactly one outcome when this returns: in the journal, and with all
    /// outputs that can be read in the manifest. When the future is dropped, the attempt is left as if its
    /// supervisor had been killed, and `recover` finishes it.
    pub async fn supervise(self, worker: impl StartWorker + 'static) -> Outcome {
        // The future is large, and an attempt is not started so often that the heap would matter.
        Box::pin(supervise::supervise(self, Box::new(worker))).await
    }
}
