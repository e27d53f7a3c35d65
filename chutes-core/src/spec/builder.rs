//! A spec, put together step by step.

use std::time::Duration;

use super::check::access::Access;
use super::check::{self, Form};
use super::place::{self, OUTPUT, VOLUME};
use super::{
    ContainerPath, ExecutorClass, ImageName, InputVolume, InputVolumes, JobSpec, MountedVolume,
    OutputVolumes, Resources, SpecErrors, SpecRules, SshAccess, Streaming, Target, Work,
};
use crate::reader::{Problems, element, member};
use crate::{JobName, Json, Limits, Port, Publish, RelativePath, SecretPairs, Upload};

/// Puts a [`JobSpec`] together, and checks all of it at the end, by the rules of its JSON form. Paths in
/// messages are those of that form.
///
/// ```
/// use std::time::Duration;
/// use chutes::sink::{HttpUrl, Upload};
/// use chutes::spec::{ImageName, InputVolume, JobSpec};
///
/// let spec = JobSpec::builder(ImageName::new("registry.test/train:1")?)
///     .args(["train", "--epochs=3"])
///     .executor_class("always_on.gpu-24gb")
///     .input("/volume/data.bin", InputVolume::file("https://storage.test/data")?)
///     .output("/output/model", Upload::put(HttpUrl::new("https://storage.test/model")?, vec![])?)
///     .limits(|limits| limits.execute = Some(Duration::from_hours(20)))
///     .build()?;
/// assert_eq!(spec.output_volumes.files.len(), 1);
///
/// let errors = JobSpec::builder(ImageName::new("alpine")?)
///     .namespace("")
///     .input("/data", InputVolume::inline("UEsFBg=="))
///     .build()
///     .unwrap_err();
/// let [place, namespace] = &errors.problems[..] else { unreachable!() };
/// assert_eq!(place.to_string(), r#"$.input_volumes["/data"]: a path begins with `/volume/`"#);
/// assert_eq!(namespace.path, "$.namespace");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The reader of the JSON form fills one as well, so that there is one way to a spec. Each volume and each port
/// stands beside its path, for messages.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct JobSpecBuilder {
    /// `None` when there is a problem with it.
    pub(super) work: Option<Work>,
    pub(super) executor_class: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) limits: Limits,
    pub(super) resources: Resources,
    pub(super) env: Vec<(String, String)>,
    pub(super) artifacts_dir: Option<ContainerPath>,
    pub(super) inputs: Vec<(String, MountedVolume)>,
    pub(super) outputs: Vec<(String, Output)>,
    /// The ports of an image, which its [`Work`] gets at the end. `None` for one with a problem.
    pub(super) ports: Vec<(String, Option<Port>)>,
    pub(super) publish: Vec<(String, Publish)>,
    pub(super) ssh: Option<SshAccess>,
    pub(super) streaming: Option<Streaming>,
    /// What is known to be wrong already.
    pub(super) problems: Problems,
    /// See [`paths`](JobSpecBuilder::paths).
    names: &'static [(&'static str, &'static str)],
}

/// Where one file, or all others, goes.
#[derive(Clone, Debug)]
pub(super) enum Output {
    File(RelativePath, Upload),
    Zip(Upload),
}

impl JobSpec {
    /// Begins a spec that runs a job (of a [`JobName`]) or an image (of an [`ImageName`]).
    pub fn builder(what: impl Into<Target>) -> JobSpecBuilder {
        let work = match what.into() {
            Target::Job(job) => Work::Job { app: None, job, data: Json::empty_object() },
            Target::Image(image) => {
                Work::Image { image, args: Vec::new(), network: false, ports: Vec::new() }
            }
        };
        JobSpecBuilder { work: Some(work), ..JobSpecBuilder::default() }
    }
}

impl From<JobName> for Target {
    fn from(job: JobName) -> Self {
        Self::Job(job)
    }
}

impl From<ImageName> for Target {
    fn from(image: ImageName) -> Self {
        Self::Image(image)
    }
}

impl JobSpecBuilder {
    /// Sets the binary that has the job.
    pub fn app(mut self, path: impl Into<String>) -> Self {
        match &mut self.work {
            Some(Work::Job { app, .. }) => *app = Some(path.into()),
            _ => self.misplaced("$.app"),
        }
        self
    }

    /// Sets the data of the job. Default `{}`.
    pub fn data(mut self, value: Json) -> Self {
        match &mut self.work {
            Some(Work::Job { data, .. }) => *data = value,
            _ => self.misplaced("$.data"),
        }
        self
    }

    /// Sets the arguments after the entry point of the image. Default those of the image.
    pub fn args(mut self, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        match &mut self.work {
            Some(Work::Image { args, .. }) => *args = values.into_iter().map(Into::into).collect(),
            _ => self.misplaced("$.args"),
        }
        self
    }

    /// Sets whether the image may use the network. Default no.
    pub fn network(mut self, allowed: bool) -> Self {
        match &mut self.work {
            Some(Work::Image { network, .. }) => *network = allowed,
            _ => self.misplaced("$.network"),
        }
        self
    }

    /// Adds a port on which the image listens. A job declares its ports itself.
    pub fn port(mut self, port: Port) -> Self {
        match &self.work {
            Some(Work::Image { .. }) => {
                let at = element("$.ports", self.ports.len());
                self.ports.push((at, Some(port)));
            }
            _ => self.misplaced("$.ports"),
        }
        self
    }

    /// Sets the class of machine. Default whatever machine there is.
    pub fn executor_class(mut self, name: impl Into<String>) -> Self {
        self.executor_class = Some(name.into());
        self
    }

    /// Sets the account of the run.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.namespace = Some(name.into());
        self
    }

    /// Changes the limits. They begin as the defaults.
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// Sets how long the job itself may take. Default without limit.
    pub fn execute_limit(self, limit: Duration) -> Self {
        self.limits(|limits| limits.execute = Some(limit))
    }

    /// Sets what it may use, where that differs from its class.
    pub fn resources(mut self, resources: Resources) -> Self {
        self.resources = resources;
        self
    }

    /// Adds a variable of its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets the directory of the small files that are returned with the result.
    pub fn artifacts_dir(mut self, path: &str) -> Self {
        let checked = ContainerPath::new(path);
        self.artifacts_dir = self.problems.check("$.artifacts_dir", checked);
        self
    }

    /// Adds an input at `/volume` or a path below it. Those of one place are put one over the other.
    pub fn input(mut self, place: &str, volume: InputVolume) -> Self {
        let at = member("$.input_volumes", place);
        if let Some(path) = self.problems.check(&at, place::below(VOLUME, place)) {
            self.inputs.push((at, MountedVolume { path, volume }));
        }
        self
    }

    /// Adds where one file below `/output` goes. It may go to several places.
    pub fn output(mut self, place: &str, to: Upload) -> Self {
        let at = member("$.output_volumes", place);
        match self.problems.check(&at, place::below(OUTPUT, place)) {
            Some(Some(file)) => self.outputs.push((at, Output::File(file, to))),
            Some(None) => self.problems.add(at, "only a zip file takes all of `/output`"),
            None => {}
        }
        self
    }

    /// Sets where all other files below `/output` go as one zip file, with `stdout.txt` and
    /// `stderr.txt`.
    pub fn system_output(mut self, to: Upload) -> Self {
        self.outputs.push((member("$.output_volumes", "/output/"), Output::Zip(to)));
        self
    }

    /// Adds a port that is opened under another number than the declared one.
    pub fn publish(mut self, publish: Publish) -> Self {
        let at = element("$.publish", self.publish.len());
        self.publish.push((at, publish));
        self
    }

    /// Sets which clients may log in while it runs. Default none.
    pub fn ssh(mut self, access: SshAccess) -> Self {
        self.ssh = Some(access);
        self
    }

    /// Lets the job serve requests while it runs.
    pub fn streaming(mut self, streaming: Streaming) -> Self {
        self.streaming = Some(streaming);
        self
    }

    /// Sets the paths that messages name, for a spec that is given in another form: paths of the JSON form,
    /// each with the one of that form.
    pub fn paths(mut self, names: &'static [(&'static str, &'static str)]) -> Self {
        self.names = names;
        self
    }

    /// Adds an input that stands at this path in another form.
    pub fn input_at(mut self, path: impl Into<String>, input: MountedVolume) -> Self {
        self.inputs.push((path.into(), input));
        self
    }

    /// Adds where an output goes that stands at this path in another form: a file, or all other files as one
    /// zip file.
    pub fn output_at(
        mut self,
        path: impl Into<String>,
        file: Option<RelativePath>,
        to: Upload,
    ) -> Self {
        let output = match file {
            Some(file) => Output::File(file, to),
            None => Output::Zip(to),
        };
        self.outputs.push((path.into(), output));
        self
    }

    /// Checks all of it. Whether its class exists is for the component to say that runs it, see
    /// [`build_with`](Self::build_with).
    pub fn build(self) -> Result<JobSpec, SpecErrors> {
        let form = Form { names: self.names, ..Form::OWN };
        self.check(form)
    }

    /// The same for a component that runs specs: a class that is neither among those of the rules nor built in is a
    /// problem, too, and so are parts that the component cannot use.
    pub fn build_with(self, rules: SpecRules<'_>) -> Result<JobSpec, SpecErrors> {
        let form = Form { names: self.names, rules: Some(rules), ..Form::OWN };
        self.check(form)
    }

    /// Notes a part that a spec of this kind of work has no place for.
    fn misplaced(&mut self, path: &str) {
        let (belongs_to, runs) = match &self.work {
            Some(Work::Job { .. }) => ("image", "a job"),
            _ => ("job", "an image"),
        };
        let problem = format!("it goes with `{belongs_to}`, and this spec runs {runs}");
        self.problems.add(path, problem);
    }

    /// Checks everything.
    pub(super) fn check(mut self, form: Form<'_>) -> Result<JobSpec, SpecErrors> {
        let problems = &mut self.problems;
        if let Some(work) = &self.work {
            check::work(work, problems);
        }
        let class = self.executor_class.as_deref();
        let executor_class = class.and_then(|name| check::class(name, form, problems));
        if let Some(namespace) = &self.namespace {
            check::namespace(namespace, form, problems);
        }
        check::limits(&self.limits, form, problems);
        check::resources(&self.resources, form, problems);
        check::env(&self.env, problems);
        check::inputs(&self.inputs, form, problems);
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
