//! From JSON to a spec: everything that is wrong is reported, each with its path.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{access, fields, volumes};
use crate::reader::{self, Fields, Problems, member};
use crate::spec::check::Form;
use crate::spec::{ContainerPath, ImageName, JobSpec, JobSpecBuilder, SpecErrors, Work};
use crate::{JobName, Json};

/// All keys of a spec.
pub(in crate::spec) const KEYS: [&str; 18] = [
    "job",
    "data",
    "image",
    "args",
    "network",
    "ports",
    "limits",
    "app",
    "executor_class",
    "namespace",
    "resources",
    "env",
    "artifacts_dir",
    "input_volumes",
    "output_volumes",
    "publish",
    "ssh",
    "streaming",
];

pub(super) fn spec(text: &str, form: Form<'_>) -> Result<JobSpec, SpecErrors> {
    reader::check_object(text)?;
    let mut draft = JobSpecBuilder::default();
    if form.is_new {
        // The data of a job has rules of its own.
        reader::check_duplicates(text, Some("data"), &mut draft.problems);
    }
    let (mut fields, data) = top(text, &mut draft.problems);
    fields.check_keys(&KEYS, &mut draft.problems);
    draft.work = work(&mut fields, data, form, &mut draft.problems);
    if let Some(ports) = fields.take("ports") {
        draft.ports = access::ports(ports, &mut draft.problems);
    }
    rest(&mut fields, form, &mut draft);
    draft.check(form)
}

/// The values of an object, and its data as text: numbers and order must stay as they were written.
fn top(text: &str, problems: &mut Problems) -> (Fields, Option<Json>) {
    let read = serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
    let Some(raw) = problems.check("$", read) else { return (Fields::new("$", Map::new()), None) };
    let mut data = None;
    let mut values = Map::new();
    for (key, raw) in raw {
        if key == "data" {
            data = problems.check("$.data", Json::parse(raw.get()));
            // Only that it is there matters from here on.
            values.insert(key, Value::Null);
        } else if let Some(value) =
            problems.check(&member("$", &key), serde_json::from_str::<Value>(raw.get()))
        {
            values.insert(key, value);
        }
    }
    (Fields::new("$", values), data)
}

fn work(
    fields: &mut Fields,
    data: Option<Json>,
    form: Form<'_>,
    problems: &mut Problems,
) -> Option<Work> {
    let (job, image) = (fields.take("job"), fields.take("image"));
    if let (Some(job), Some(_)) = (&job, &image) {
        problems.add(&job.path, "a spec runs a job or an image, not both");
        return None;
    }
    let others: &[&str] = match (&job, &image) {
        (None, None) => {
            problems.add("$", "missing: `image`, or `job`, says what to run");
            return None;
        }
        (Some(_), _) => &["args", "network", "ports"],
        (None, _) => &["app", "data"],
    };
    let (belongs_to, runs) = if job.is_some() { ("image", "a job") } else { ("job", "an image") };
    for key in others {
        // The data of an image is wrong even when it is `null`.
        if fields.take_any(key).is_some_and(|at| *key == "data" || !at.value.is_null()) {
            let problem = format!("it goes with `{belongs_to}`, and this spec runs {runs}");
            problems.add(fields.at(key), problem);
        }
    }
    if let Some(job) = job {
        let app = fields.text("app", problems);
        let job = job.parsed(problems, |name| JobName::new(name.to_owned()))?;
        return Some(Work::Job { app, job, data: data.unwrap_or_else(Json::empty_object) });
    }
    let args = fields.take("args").and_then(|args| args.texts(problems)).unwrap_or_default();
    let network = fields.take("network").and_then(|network| network.boolean(problems));
    let read = if form.is_new { ImageName::new } else { ImageName::recorded };
    let image = image?.parsed(problems, read)?;
    Some(Work::Image { image, args, network: network.unwrap_or_default(), ports: Vec::new() })
}

fn rest(fields: &mut Fields, form: Form<'_>, draft: &mut JobSpecBuilder) {
    let problems = &mut draft.problems;
    if let Some(limits) = fields.take("limits") {
        fields::limits(limits, &mut draft.limits, problems);
    }
    draft.executor_class = fields.text("executor_class", problems);
    draft.namespace = fields.text("namespace", problems);
    if let Some(resources) = fields.take("resources") {
        draft.resources = fields::resources(resources, problems).unwrap_or_default();
    }
    draft.env = fields.take("env").and_then(|env| env.pairs(problems)).unwrap_or_default();
    let read = if form.is_new { ContainerPath::new } else { ContainerPath::recorded };
    draft.artifacts_dir = fields.take("artifacts_dir").and_then(|path| path.parsed(problems, read));
    if let Some(inputs) = fields.take("input_volumes") {
        draft.inputs = volumes::inputs(inputs, problems);
    }
    if let Some(outputs) = fields.take("output_volumes") {
        draft.outputs = volumes::outputs(outputs, problems);
    }
    if let Some(publish) = fields.take("publish") {
        draft.publish = access::publish(publish, problems);
    }
    draft.ssh = fields.take("ssh").and_then(|ssh| access::ssh(ssh, problems));
    draft.streaming =
        fields.take("streaming").and_then(|streaming| access::streaming(streaming, problems));
}
