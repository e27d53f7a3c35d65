//! The JSON form of a spec: its fields as they are written, and the schema.
//!
//! Both derive from [`SpecForm`]. The schema describes what is read, which is more than what is written (a
//! limit may be a text like `2h`), so some fields have types of their own in [`parts`]. What a schema cannot
//! say, such as that no file is in the way of another, is left to the reader.

mod parts;
mod volumes;

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use self::parts::{Bytes, Count, Pairs, Processors, PublishText, Seconds, Switch};
use self::volumes::{ByPath, InputForm, OutputForm};
use crate::rule::{MAX_NAMESPACE_CHARACTERS, MAX_READINESS_PATH};
use crate::spec::{
    ContainerPath, ExecutorClass, ImageName, JobSpec, Resources, SshAccess, Streaming, Work,
};
use crate::{JobName, Json, Limits, Port, PortName, Protocol, Publish, ReadinessPath};

/// Everything that is asked for in one run: an image, or a job of an app.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = optional, extend("oneOf" = [
    {
        "required": ["image"],
        "properties": { "job": { "type": "null" }, "data": false, "app": { "type": "null" } },
    },
    {
        "required": ["job"],
        "properties": {
            "image": { "type": "null" }, "args": { "type": "null" }, "network": { "type": "null" },
            "ports": { "type": "null" },
        },
    },
]))]
struct SpecForm<'a> {
    /// The name of the job. In place of `image`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Cow<'_, str>")]
    job: Option<&'a JobName>,
    /// The data of the job. Default `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Json")]
    data: Option<&'a Json>,
    /// The image.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Cow<'_, str>", length(max = 255))]
    image: Option<&'a ImageName>,
    /// The arguments after the entry point. Default those of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a [String]>,
    /// Whether the image may use the network. Default no.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<bool>,
    /// The ports on which the image listens. Default none.
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<Vec<PortForm<'a>>>,
    /// The limits of the run, one per phase.
    #[schemars(with = "Option<LimitsForm>")]
    limits: LimitsForm,
    /// The path of the binary that has the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    app: Option<&'a str>,
    /// The class of machine. Default whatever machine there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), regex(pattern = "^[a-zA-Z0-9._-]+$"))]
    executor_class: Option<&'a str>,
    /// The account of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = MAX_NAMESPACE_CHARACTERS))]
    namespace: Option<&'a str>,
    /// What it may use, where that differs from its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<ResourcesForm>,
    /// The variables of its environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Pairs<'a>>,
    /// The directory of small files (below 1,000,000 bytes) that are returned with the result.
    #[serde(skip_serializing_if = "Option::is_none")]
    artifacts_dir: Option<&'a str>,
    /// What is there before it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("propertyNames" = { "pattern": "^/volume(/.*)?$" }))]
    input_volumes: Option<ByPath<InputForm<'a>>>,
    /// Where files go when it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("propertyNames" = { "pattern": "^/output(/.*)?$" }))]
    output_volumes: Option<ByPath<OutputForm<'a>>>,
    /// Ports that are opened under another number, like `8080:18080` or `web:0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<PublishText>>")]
    publish: Option<&'a [Publish]>,
    /// Whether people may log in by SSH while it runs. Default no.
    #[serde(skip_serializing_if = "Option::is_none")]
    ssh: Option<Switch<SshForm<'a>>>,
    /// Whether it serves requests while it runs. Default no.
    #[serde(skip_serializing_if = "Option::is_none")]
    streaming: Option<Switch<StreamingForm<'a>>>,
}

/// Limits. All of them are written, so that a record says what was applied.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = optional)]
struct LimitsForm {
    /// Until the job can start. Default 10 minutes. Seconds, or a text like `2h`.
    start: Seconds,
    /// For all input volumes. Default 1 hour. Seconds, or a text like `2h`.
    download: Seconds,
    /// For the job itself. Default none. Seconds, or a text like `2h`.
    execute: Option<Seconds>,
    /// For delivering the outputs. Default 24 hours. Seconds, or a text like `2h`.
    upload: Seconds,
    /// Until a job that streams accepts connections. Default 5 seconds. Seconds, or a text like `2h`.
    streaming_start: Seconds,
    /// Between asking the job to stop and stopping it by force. Default 30 seconds. Seconds, or a text like `2h`.
    grace: Seconds,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields, transform = optional)]
struct ResourcesForm {
    /// The memory of all its processes. Bytes, or a text like `8GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Bytes>,
    /// How many processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<Processors>,
    /// How many processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    processes: Option<Count>,
    /// The size of `/dev/shm`. Bytes, or a text like `8GB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    shared_memory: Option<Bytes>,
    /// Whether it needs the GPUs of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct PortForm<'a> {
    #[schemars(with = "Cow<'_, str>", regex(pattern = "^[a-z]+[0-9]*$"))]
    name: &'a PortName,
    #[schemars(range(min = 1, max = 65_535))]
    port: u16,
    proto: Protocol,
    /// The path that answers 200 once the port serves. For HTTP only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        with = "Option<Cow<'_, str>>",
        length(max = MAX_READINESS_PATH),
        regex(pattern = "^/[!-\"$-~]*$")
    )]
    ready: Option<&'a ReadinessPath>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct SshForm<'a> {
    /// Who may log in: lines of an `authorized_keys` file without options.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_keys: Option<&'a [String]>,
    /// Whether the run goes on, within its limit, while a client is logged in. Default no.
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<bool>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct StreamingForm<'a> {
    /// The certificate (PEM) that clients must show.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate: Option<&'a str>,
    /// The port that serves. Default the only HTTP port of a job, or port 8000 of an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Cow<'_, str>>")]
    port: Option<&'a PortName>,
}

/// No field has to be there, although some are always written.
fn optional(schema: &mut Schema) {
    schema.remove("required");
}

impl<'a> From<&'a JobSpec> for SpecForm<'a> {
    fn from(spec: &'a JobSpec) -> Self {
        let mut form = Self {
            job: None,
            data: None,
            image: None,
            args: None,
            network: None,
            ports: None,
            limits: LimitsForm::from(&spec.limits),
            app: None,
            executor_class: spec.executor_class.as_ref().map(ExecutorClass::as_str),
            namespace: spec.namespace.as_deref(),
            resources: ResourcesForm::of(&spec.resources),
            env: (!spec.env.reveal().is_empty()).then_some(Pairs(&spec.env)),
            artifacts_dir: spec.artifacts_dir.as_ref().map(ContainerPath::as_str),
            input_volumes: volumes::inputs(&spec.input_volumes),
            output_volumes: volumes::outputs(&spec.output_volumes),
            publish: filled(&spec.publish),
            ssh: spec.ssh.as_ref().map(SshForm::of),
            streaming: spec.streaming.as_ref().map(StreamingForm::of),
        };
        match &spec.work {
            Work::Job { app, job, data } => {
                (form.job, form.data, form.app) = (Some(job), Some(data), app.as_deref());
            }
            Work::Image { image, args, network, ports } => {
                (form.image, form.args) = (Some(image), filled(args));
                form.network = network.then_some(true);
                form.ports = filled(ports).map(|ports| ports.iter().map(PortForm::from).collect());
            }
        }
        form
    }
}

impl From<&Limits> for LimitsForm {
    fn from(limits: &Limits) -> Self {
        let Limits { start, download, execute, upload, streaming_start, grace } = *limits;
        Self {
            start: Seconds(start),
            download: Seconds(download),
            execute: execute.map(Seconds),
            upload: Seconds(upload),
            streaming_start: Seconds(streaming_start),
            grace: Seconds(grace),
        }
    }
}

impl ResourcesForm {
    /// `None` when nothing differs from the class.
    fn of(resources: &Resources) -> Option<Self> {
        let Resources { memory_bytes, cpu_millis, processes, shared_memory_bytes, gpu } =
            *resources;
        (*resources != Resources::default()).then_some(Self {
            memory: memory_bytes.map(Bytes),
            cpus: cpu_millis.map(Processors),
            processes: processes.map(Count),
            shared_memory: shared_memory_bytes.map(Bytes),
            gpu,
        })
    }
}

impl<'a> From<&'a Port> for PortForm<'a> {
    fn from(port: &'a Port) -> Self {
        Self {
            name: port.name(),
            port: port.number().get(),
            proto: port.protocol(),
            ready: port.ready(),
        }
    }
}

impl<'a> SshForm<'a> {
    fn of(ssh: &'a SshAccess) -> Switch<Self> {
        let SshAccess { public_keys, keep_alive } = ssh;
        if *ssh == SshAccess::default() {
            return Switch::Plain(true);
        }
        let keep_alive = keep_alive.then_some(true);
        Switch::Fields(Self { public_keys: filled(public_keys), keep_alive })
    }
}

impl<'a> StreamingForm<'a> {
    fn of(streaming: &'a Streaming) -> Switch<Self> {
        let Streaming { client_certificate, port } = streaming;
        if *streaming == Streaming::default() {
            return Switch::Plain(true);
        }
        let client_certificate = client_certificate.as_deref();
        Switch::Fields(Self { client_certificate, port: port.as_ref() })
    }
}

/// A list, unless it is as if it were not there.
fn filled<T>(list: &[T]) -> Option<&[T]> {
    (!list.is_empty()).then_some(list)
}

/// Complete, with its secrets: for private files only.
impl Serialize for JobSpec {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        SpecForm::from(self).serialize(to)
    }
}

impl JsonSchema for JobSpec {
    fn schema_name() -> Cow<'static, str> {
        "JobSpec".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let settings = settings.with(|settings| settings.inline_subschemas = true);
        let mut schema = settings.into_generator().into_root_schema_for::<SpecForm<'_>>();
        schema.remove("$schema");
        schema.remove("title");
        schema
    }
}
