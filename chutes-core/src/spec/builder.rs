//! A spec, put together step by step.

use std::time::Duration;

use super::check::Form;
use super::draft::{Draft, Output};
use super::place::{self, OUTPUT, VOLUME};
use super::{
    ClassProfile, ContainerPath, ImageName, InputVolume, JobSpec, MountedVolume, Resources,
    SpecErrors, SshAccess, Streaming, Target, Work,
};
use crate::reader::{element, member};
use crate::{JobName, Json, Limits, Port, Publish, RelativePath, Upload};

/// Puts a [`JobSpec`] together, and checks all of it at the end, by the rules of its JSON form. Paths in
/// messages are those of that form.
///
/// ```
/// use std::time::Duration;
/// use chutes_core::{HttpUrl, ImageName, InputVolume, JobSpec, Upload};
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
#[derive(Clone, Debug)]
#[must_use]
pub struct JobSpecBuilder {
    draft: Draft,
    names: &'static [(&'static str, &'static str)],
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
        JobSpecBuilder { draft: Draft { work: Some(work), ..Draft::default() }, names: &[] }
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
        match &mut self.draft.work {
            Some(Work::Job { app, .. }) => *app = Some(path.into()),
            _ => self.misplaced("$.app"),
        }
        self
    }

    /// Sets the data of the job. Default `{}`.
    pub fn data(mut self, value: Json) -> Self {
        match &mut self.draft.work {
            Some(Work::Job { data, .. }) => *data = value,
            _ => self.misplaced("$.data"),
        }
        self
    }

    /// Sets the arguments after the entry point of the image. Default those of the image.
    pub fn args(mut self, values: impl IntoIterator<Item = impl Into<String>>) -> Self {
        match &mut self.draft.work {
            Some(Work::Image { args, .. }) => *args = values.into_iter().map(Into::into).collect(),
            _ => self.misplaced("$.args"),
        }
        self
    }

    /// Sets whether the image may use the network. Default no.
    pub fn network(mut self, allowed: bool) -> Self {
        match &mut self.draft.work {
            Some(Work::Image { network, .. }) => *network = allowed,
            _ => self.misplaced("$.network"),
        }
        self
    }

    /// Adds a port on which the image listens. A job declares its ports itself.
    pub fn port(mut self, port: Port) -> Self {
        match &self.draft.work {
            Some(Work::Image { .. }) => {
                let at = element("$.ports", self.draft.ports.len());
                self.draft.ports.push((at, Some(port)));
            }
            _ => self.misplaced("$.ports"),
        }
        self
    }

    /// Sets the class of machine. Default whatever machine there is.
    pub fn executor_class(mut self, name: impl Into<String>) -> Self {
        self.draft.executor_class = Some(name.into());
        self
    }

    /// Sets who the run is accounted to.
    pub fn namespace(mut self, name: impl Into<String>) -> Self {
        self.draft.namespace = Some(name.into());
        self
    }

    /// Changes the limits. They begin as the defaults.
    pub fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.draft.limits);
        self
    }

    /// Sets how long the job itself may take. Default without limit.
    pub fn execute_limit(self, limit: Duration) -> Self {
        self.limits(|limits| limits.execute = Some(limit))
    }

    /// Sets what it may use, where that differs from its class.
    pub fn resources(mut self, resources: Resources) -> Self {
        self.draft.resources = resources;
        self
    }

    /// Adds a variable of its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.draft.env.push((name.into(), value.into()));
        self
    }

    /// Sets the directory of the small files that are returned with the result.
    pub fn artifacts_dir(mut self, path: &str) -> Self {
        let checked = ContainerPath::new(path);
        self.draft.artifacts_dir = self.draft.problems.check("$.artifacts_dir", checked);
        self
    }

    /// Adds an input at `/volume` or a path below it. Those of one place are put one over the other.
    pub fn input(mut self, place: &str, volume: InputVolume) -> Self {
        let at = member("$.input_volumes", place);
        if let Some(path) = self.draft.problems.check(&at, place::below(VOLUME, place)) {
            self.draft.inputs.push((at, MountedVolume { path, volume }));
        }
        self
    }

    /// Adds where one file below `/output` goes. It may go to several places.
    pub fn output(mut self, place: &str, to: Upload) -> Self {
        let at = member("$.output_volumes", place);
        match self.draft.problems.check(&at, place::below(OUTPUT, place)) {
            Some(Some(file)) => self.draft.outputs.push((at, Output::File(file, to))),
            Some(None) => self.draft.problems.add(at, "only a zip file takes all of `/output`"),
            None => {}
        }
        self
    }

    /// Sets where all other files below `/output` go as one zip file, with `stdout.txt` and
    /// `stderr.txt`.
    pub fn system_output(mut self, to: Upload) -> Self {
        self.draft.outputs.push((member("$.output_volumes", "/output/"), Output::Zip(to)));
        self
    }

    /// Adds a port that is opened under another number than the declared one.
    pub fn publish(mut self, publish: Publish) -> Self {
        let at = element("$.publish", self.draft.publish.len());
        self.draft.publish.push((at, publish));
        self
    }

    /// Says who may log in while it runs. Default nobody.
    pub fn ssh(mut self, access: SshAccess) -> Self {
        self.draft.ssh = Some(access);
        self
    }

    /// Says that the job serves requests while it runs.
    pub fn streaming(mut self, streaming: Streaming) -> Self {
        self.draft.streaming = Some(streaming);
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
        self.draft.inputs.push((path.into(), input));
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
        self.draft.outputs.push((path.into(), output));
        self
    }

    /// Checks all of it. Whether its class exists is for the component to say that runs it, see
    /// [`build_with`](Self::build_with).
    pub fn build(self) -> Result<JobSpec, SpecErrors> {
        self.draft.check(Form { names: self.names, ..Form::OWN })
    }

    /// The same for a component that runs specs: a class that is not among these is a problem, too.
    pub fn build_with(self, classes: &[ClassProfile]) -> Result<JobSpec, SpecErrors> {
        self.draft.check(Form { names: self.names, classes: Some(classes), ..Form::OWN })
    }

    /// Notes a part that a spec of this kind of work has no place for.
    fn misplaced(&mut self, path: &str) {
        let (belongs_to, runs) = match &self.draft.work {
            Some(Work::Job { .. }) => ("image", "a job"),
            _ => ("job", "an image"),
        };
        let problem = format!("it goes with `{belongs_to}`, and this spec runs {runs}");
        self.draft.problems.add(path, problem);
    }
}
