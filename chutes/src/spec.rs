//! What is asked for in one run: the job or the image, its data, limits, resources and files.
//!
//! A [`JobSpec`] is valid when it exists: reading and building check everything, and name all problems at once with
//! their places ([`SpecErrors`]). Where files are delivered to is in [`sink`](crate::sink), data are
//! [`Json`](crate::data::Json), and [`RunRequest`](crate::request::RunRequest) adds what only the starter of a run
//! knows.
//!
//! ```
//! use chutes::spec::{ImageName, JobSpec};
//!
//! let spec = JobSpec::builder(ImageName::new("alpine")?).args(["echo", "hello"]).build()?;
//! assert_eq!(spec.target().to_string(), "alpine");
//!
//! let errors = JobSpec::from_json(r#"{"image": "alpine", "limits": {"exceute": 10}}"#).unwrap_err();
//! assert_eq!(errors.problems[0].path, "$.limits.exceute");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[doc(inline)]
pub use chutes_runtime::{
    ClassProfile, ContainerPath, ContainerPathError, ExecutorClass, ExecutorClassError,
    HubRepository, ImageName, ImageNameError, InlineZip, InputVolume, InputVolumes, JobSpec,
    JobSpecBuilder, Limits, MountedVolume, OutputVolumes, Publish, PublishError, PublishedPort,
    RepoType, Resources, SecretText, SpecErrors, SpecProblem, SpecRules, SshAccess, Streaming,
    Target, Work, reader,
};
