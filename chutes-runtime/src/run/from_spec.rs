//! Runs from a spec.

use std::path::PathBuf;

use chutes_core::{JobSpec, Limits};

use super::{LimitTooLong, Run};
use crate::registry::Job;

impl Run {
    /// A run of this job with the data, limits, volumes and artifacts of a spec. The caller checks that the name of
    /// the job in the spec is right.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use chutes::data::Json;
    /// use chutes::spec::{ContainerPath, JobSpec};
    /// use chutes::{JobContext, JobError, Registry, Run};
    ///
    /// #[chutes::job]
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
    /// let outcome = Run::from_spec(job, spec, directory)?.execute().await?;
    /// assert_eq!(outcome.artifacts[0].path, "score.txt");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the execution limit of the spec is longer than the one that the job declares. A spec
    /// without a limit takes that of the job.
    pub fn from_spec(
        job: Job,
        spec: JobSpec,
        directory: impl Into<PathBuf>,
    ) -> Result<Self, LimitTooLong> {
        let declared = Limits::for_timeout(job.timeout()).execute;
        let limits = Limits { execute: spec.limits.execute.or(declared), ..spec.limits };
        Self::with(job, spec, directory.into()).limits(limits)
    }

    /// Adds sinks of a test to those of the run.
    #[cfg(feature = "testing")]
    pub(crate) fn test_sinks(
        mut self,
        sinks: Vec<std::sync::Arc<dyn chutes_supervisor::sink::Sink>>,
    ) -> Self {
        self.attempt = self.attempt.test_sinks(sinks);
        self
    }
}
