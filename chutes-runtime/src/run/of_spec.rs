//! Runs that are asked for by a spec.

use std::path::PathBuf;

use chutes_compute_horde::find_class;
use chutes_core::{ClassProfile, JobSpec, Limits};
#[cfg(feature = "command-line")]
use chutes_core::{ContainerPath, SinkSpec};

use super::download::{Downloads, VolumeSettings, with_addresses};
use super::{LimitTooLong, Run};
#[cfg(feature = "command-line")]
use crate::address::AddressPolicy;
use crate::registry::Job;

impl Run {
    /// A run of this job as a spec asks for it: data, limits, volumes, artifacts. What the spec says of
    /// the job's name is up to the caller.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use chutes_runtime::{ContainerPath, JobContext, JobError, JobSpec, Json, Registry, Run};
    ///
    /// #[chutes_runtime::job]
    /// async fn returns_a_file(ctx: JobContext) -> Result<(), JobError> {
    ///     let folder = ctx.artifacts_dir().ok_or("no artifacts wanted")?;
    ///     Ok(std::fs::write(folder.join("score.txt"), "0.97")?)
    /// }
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let directory = folder.path().join("run");
    /// let job = Registry::collect()?.get("returns_a_file")?.clone();
    /// let mut spec = JobSpec::job(job.name().clone(), Json::empty_object());
    /// spec.artifacts_dir = Some(ContainerPath::new("/artifacts")?);
    /// let outcome = Run::of_spec(job, spec, directory)?.execute().await?;
    /// assert_eq!(outcome.artifacts[0].path, "score.txt");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the execution limit of the spec is longer than the one that the job declares. A spec
    /// without one has that of the job.
    pub fn of_spec(
        job: Job,
        spec: JobSpec,
        directory: impl Into<PathBuf>,
    ) -> Result<Self, LimitTooLong> {
        let declared = Limits::for_timeout(job.timeout()).execute;
        let limits = Limits { execute: spec.limits.execute.or(declared), ..spec.limits };
        let sinks = spec.output_volumes.sinks();
        let mut run = Self::new(job, directory);
        run.spec = spec;
        run.limits(limits).map(|run| run.sinks(sinks))
    }

    /// A run of the image that a spec names.
    #[cfg(feature = "container")]
    pub(crate) fn of_image(spec: JobSpec, directory: impl Into<PathBuf>) -> Self {
        let sinks = spec.output_volumes.sinks();
        Self::with(None, spec, directory.into()).sinks(sinks)
    }

    /// Adds places that the files are delivered to.
    #[cfg(feature = "command-line")]
    pub(crate) fn more_sinks(mut self, sinks: Vec<SinkSpec>) -> Self {
        self.sinks.extend(sinks);
        self
    }

    /// Where artifacts are as the job sees them.
    #[cfg(feature = "command-line")]
    pub(crate) fn artifacts_dir(&self) -> Option<ContainerPath> {
        self.spec.artifacts_dir.clone()
    }

    /// What it may use: what its class offers, with what the spec asks for beside.
    pub(super) fn profile(&self) -> ClassProfile {
        let class = self.spec.executor_class.as_ref();
        let class = class.and_then(|class| find_class(class.as_str()));
        class.copied().unwrap_or(ClassProfile::LOCAL).with(&self.spec.resources)
    }

    /// What is fetched before user code begins.
    pub(super) fn downloads(&mut self) -> Downloads {
        Downloads {
            // They may be large, and nobody else needs them.
            volumes: std::mem::take(&mut self.spec.input_volumes),
            settings: self
                .volume_settings
                .take()
                .map(|settings| with_addresses(settings, self.addresses.clone())),
        }
    }

    /// Which addresses the spec may name.
    #[cfg(feature = "command-line")]
    pub(crate) fn addresses(mut self, addresses: AddressPolicy) -> Self {
        self.addresses = addresses;
        self
    }

    /// How input volumes are fetched.
    #[cfg_attr(
        not(all(feature = "command-line", feature = "http")),
        expect(dead_code, reason = "only the command line has settings")
    )]
    pub(crate) fn volume_settings(mut self, settings: VolumeSettings) -> Self {
        self.volume_settings = Some(settings);
        self
    }
}
