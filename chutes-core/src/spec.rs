//! Everything that was asked for in one run.

mod builder;
mod check;
mod image;
mod json;
pub(crate) mod place;
mod problem;
mod resources;
mod rules;
mod secrets;
#[cfg(test)]
pub(crate) mod tests;
mod volume;

use std::fmt;

pub use self::builder::JobSpecBuilder;
pub use self::image::{ContainerPath, ContainerPathError, ImageName, ImageNameError};
pub use self::problem::{SpecErrors, SpecProblem};
pub use self::resources::{ClassProfile, ExecutorClass, ExecutorClassError, Resources};
pub use self::rules::SpecRules;
pub use self::volume::{
    HubRepository, InlineZip, InputVolume, InputVolumes, MountedVolume, OutputVolumes, RepoType,
    SecretText,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{JobName, Json, Limits, Port, PortName, Publish, Route, SecretPairs};

/// Everything that was asked for in one run: what to run, on which data, within which limits.
///
/// It is made by [`JobSpec::builder`], or [`JobSpec::from_json`], which check all
/// of it by the same rules. It is the first record of the journal, `run.jsonl`. The documentation of the
/// crate shows its JSON form, and `docs/spec.md` describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    /// What to run.
    pub work: Work,
    /// The class of machine that it is for; `None` is whatever machine there is.
    pub executor_class: Option<ExecutorClass>,
    /// The account of the run, for instance `SN123.1.0`: at most 100 characters.
    pub namespace: Option<String>,
    /// The limits of this run.
    pub limits: Limits,
    /// What it may use, where that differs from its class.
    pub resources: Resources,
    /// Variables of its environment. Their values may be secret.
    pub env: SecretPairs,
    /// Where the job puts small files that are returned with the result; `None` when it returns none.
    pub artifacts_dir: Option<ContainerPath>,
    /// The inputs, which are below `/volume` before the job begins.
    pub input_volumes: InputVolumes,
    /// Where files below `/output` go when the job has ended.
    pub output_volumes: OutputVolumes,
    /// The ports that are opened under another number than the declared one.
    pub publish: Vec<Publish>,
    /// Which clients may log in while it runs; `None` is none.
    pub ssh: Option<SshAccess>,
    /// Whether the job serves requests while it runs, and to whom.
    pub streaming: Option<Streaming>,
}

/// What to run: a job of an app, or an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// A job.
    Job {
        /// The binary that has it; `None` when it is clear from the context, as in a binary that runs
        /// its own jobs.
        app: Option<String>,
        /// Its name.
        job: JobName,
        /// Its data, as it came: with what belongs to the platform, and unchecked.
        data: Json,
    },
    /// A container image.
    Image {
        /// Its name.
        image: ImageName,
        /// The arguments after its entry point; none is what the image says.
        args: Vec<String>,
        /// Whether it may use the network.
        network: bool,
        /// The ports that it opens.
        ports: Vec<Port>,
    },
}

/// Serving requests while the job runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streaming {
    /// The certificate (PEM) that clients must show; `None` when every client may connect.
    pub client_certificate: Option<String>,
    /// The port that serves; `None` is the only HTTP port of a job, or port 8000 of an image.
    pub port: Option<PortName>,
}

/// Which clients may log in by SSH while a run goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshAccess {
    /// Public keys, each as a line of an `authorized_keys` file without options.
    pub public_keys: Vec<String>,
    /// Whether the run goes on, within its limit, while a client is logged in.
    pub keep_alive: bool,
}

/// What a run runs, by name.
///
/// In JSON `job` or `image`, a field beside others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A job.
    Job(JobName),
    /// A container image.
    Image(ImageName),
}

impl JobSpec {
    /// A run of a job with this data, and defaults for everything else.
    #[must_use]
    pub fn job(job: JobName, data: Json) -> Self {
        Self::new(Work::Job { app: None, job, data })
    }

    /// A run of an image, and defaults for everything else.
    #[must_use]
    pub fn image(image: ImageName, args: Vec<String>) -> Self {
        Self::new(Work::Image { image, args, network: false, ports: Vec::new() })
    }

    fn new(work: Work) -> Self {
        Self {
            work,
            executor_class: None,
            namespace: None,
            limits: Limits::default(),
            resources: Resources::default(),
            env: SecretPairs::default(),
            artifacts_dir: None,
            input_volumes: InputVolumes::default(),
            output_volumes: OutputVolumes::default(),
            publish: Vec::new(),
            ssh: None,
            streaming: None,
        }
    }

    /// The steps that a run of it takes.
    #[must_use]
    pub const fn route(&self) -> Route {
        Route { volumes: !self.input_volumes.is_empty(), streaming: self.streaming.is_some() }
    }

    /// The same spec for a journal or a report: URLs as they are shown, `…` for tokens and for the
    /// values of variables, headers and form fields, and the size of inline volumes for their contents.
    /// It has the form of a spec, and shows what was asked for, but it cannot be run again. The data of a
    /// job, and the arguments of an image, stay as they are.
    ///
    /// ```
    /// use chutes::spec::{ImageName, InputVolume, JobSpec};
    ///
    /// let spec = JobSpec::builder(ImageName::new("alpine")?)
    ///     .env("TOKEN", "secret")
    ///     .input("/volume/x", InputVolume::file("https://storage.test/x?signature=secret")?)
    ///     .build()?;
    /// let shown = spec.without_secrets();
    /// assert_eq!(shown.env.reveal(), [("TOKEN".to_owned(), "…".to_owned())]);
    /// let InputVolume::File { url, .. } = &shown.input_volumes.iter().next().unwrap().volume else {
    ///     unreachable!()
    /// };
    /// assert_eq!(url.reveal(), "https://storage.test/x?…");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        Self {
            work: self.work.clone(),
            executor_class: self.executor_class.clone(),
            namespace: self.namespace.clone(),
            limits: self.limits,
            resources: self.resources,
            env: secrets::names(&self.env),
            artifacts_dir: self.artifacts_dir.clone(),
            input_volumes: secrets::inputs(&self.input_volumes),
            output_volumes: secrets::outputs(&self.output_volumes),
            publish: self.publish.clone(),
            ssh: self.ssh.as_ref().map(secrets::ssh),
            streaming: self.streaming.clone(),
        }
    }

    /// What it runs, by name.
    #[must_use]
    pub fn target(&self) -> Target {
        match &self.work {
            Work::Job { job, .. } => Target::Job(job.clone()),
            Work::Image { image, .. } => Target::Image(image.clone()),
        }
    }
}

impl Target {
    /// The name that stands for it in file names and URLs: that of the job, or the last component of
    /// the image without its tag.
    #[must_use]
    pub fn short_name(&self) -> &str {
        match self {
            Self::Job(job) => job.as_str(),
            Self::Image(image) => image.short_name(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(job) => job.fmt(f),
            Self::Image(image) => image.fmt(f),
        }
    }
}
