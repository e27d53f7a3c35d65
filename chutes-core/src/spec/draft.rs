//! From what was asked for, in whatever form, to a checked spec.
//!
//! The JSON form and the builder each fill a draft; what the types of its parts do not say by themselves is
//! checked here, once.

use super::check::access::Access;
use super::check::{self, Form};
use super::place;
use super::{
    ContainerPath, ExecutorClass, InputVolumes, JobSpec, MountedVolume, OutputVolumes, Resources,
    SpecErrors, SshAccess, Streaming, Work,
};
use crate::reader::Problems;
use crate::{Limits, Port, Publish, RelativePath, SecretPairs, Upload};

/// What was asked for. Each volume and each port stands beside its place in that form, for messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    /// `None` when there is a problem with it.
    pub(crate) work: Option<Work>,
    pub(crate) executor_class: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) resources: Resources,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) artifacts_dir: Option<ContainerPath>,
    pub(crate) inputs: Vec<(String, MountedVolume)>,
    pub(crate) outputs: Vec<(String, Output)>,
    /// The ports of an image, which its [`Work`] gets at the end. `None` for one with a problem.
    pub(crate) ports: Vec<(String, Option<Port>)>,
    pub(crate) publish: Vec<(String, Publish)>,
    pub(crate) ssh: Option<SshAccess>,
    pub(crate) streaming: Option<Streaming>,
    /// What is known to be wrong already.
    pub(crate) problems: Problems,
}

/// Where one file, or all others, goes.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    File(RelativePath, Upload),
    Zip(Upload),
}

impl Draft {
    /// Checks everything. The draft says where its parts stood by the names of this form.
    pub(crate) fn check(mut self, form: Form<'_>) -> Result<JobSpec, SpecErrors> {
        let problems = &mut self.problems;
        if let Some(work) = &self.work {
            check::work(work, problems);
        }
        let class = self.executor_class.as_deref();
        let executor_class = class.and_then(|name| check::class(name, form.classes, problems));
        if let Some(namespace) = &self.namespace {
            check::namespace(namespace, form, problems);
        }
        check::limits(&self.limits, form, problems);
        check::resources(&self.resources, form, problems);
        check::env(&self.env, problems);
        check::inputs(&self.inputs, problems);
        check::outputs(&self.outputs, problems);
        let access = Access {
            is_image: matches!(self.work, Some(Work::Image { .. })),
            ports: &self.ports,
            publish: &self.publish,
            ssh: self.ssh.as_ref(),
            streaming: self.streaming.as_ref(),
        };
        access.check(form, problems);
        let problems = std::mem::take(problems);
        problems.finish(self.into_spec(executor_class))
    }

    /// The spec as it is, unless it is not known what to run.
    fn into_spec(mut self, executor_class: Option<ExecutorClass>) -> Option<JobSpec> {
        let mut output_volumes = OutputVolumes::default();
        for (_, output) in self.outputs {
            match output {
                Output::File(path, to) => output_volumes.files.push((path, to)),
                Output::Zip(to) => output_volumes.system_output = Some(to),
            }
        }
        output_volumes.files = place::grouped(output_volumes.files, |(path, _)| path.clone());
        if let Some(Work::Image { ports, .. }) = &mut self.work {
            *ports = self.ports.into_iter().filter_map(|(_, port)| port).collect();
        }
        Some(JobSpec {
            work: self.work?,
            executor_class,
            namespace: self.namespace,
            limits: self.limits,
            resources: self.resources,
            env: SecretPairs::new(self.env),
            artifacts_dir: self.artifacts_dir,
            input_volumes: InputVolumes::new(
                self.inputs.into_iter().map(|(_, volume)| volume).collect(),
            ),
            output_volumes,
            publish: self.publish.into_iter().map(|(_, publish)| publish).collect(),
            ssh: self.ssh,
            streaming: self.streaming,
        })
    }
}
