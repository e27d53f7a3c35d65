//! The rules of a spec that the types of its parts do not carry.

pub(super) mod access;

use std::collections::HashSet;
use std::time::Duration;

use super::builder::Output;
use super::place::InUse;
use super::{
    ClassProfile, ExecutorClass, HubRepository, InputVolume, MountedVolume, Resources, SpecRules,
    Work,
};
use crate::reader::{Problems, element, member};
use crate::{Escaped, Limits, SecretPairs, Upload, UploadMethod, rule, suggest};

/// The form that a spec came in, and what is known where it is checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form<'a> {
    /// Whether a spec is checked for what a run may ask for. One that was written down when its run began is
    /// not: a run that has been accepted must stay readable.
    pub(crate) is_new: bool,
    /// The paths of our own form that another form has under other names, each with that name.
    pub(crate) names: &'a [(&'a str, &'a str)],
    /// What the component that runs it refuses, where that is known.
    pub(crate) rules: Option<SpecRules<'a>>,
}

impl<'a> Form<'a> {
    /// Our own JSON, and the builder.
    pub(crate) const OWN: Self = Self { is_new: true, names: &[], rules: None };

    /// Our own JSON, as it was written down when a run began.
    pub(crate) const RECORD: Self = Self { is_new: false, ..Self::OWN };

    /// The path of a part that has this path in our own form.
    fn path(self, own: &'a str) -> &'a str {
        self.names.iter().find(|(name, _)| *name == own).map_or(own, |(_, other)| other)
    }
}

pub(super) fn work(work: &Work, problems: &mut Problems) {
    match work {
        Work::Job { app: Some(app), .. } if app.is_empty() || app.contains('\0') => {
            problems.add("$.app", "the path of a job binary is empty or has a zero byte");
        }
        Work::Job { .. } => {}
        Work::Image { args, .. } => {
            for (index, argument) in args.iter().enumerate() {
                if argument.contains('\0') {
                    problems.add(element("$.args", index), "an argument has no zero byte");
                }
            }
        }
    }
}

pub(super) fn class(name: &str, form: Form<'_>, problems: &mut Problems) -> Option<ExecutorClass> {
    let class = problems.check(CLASS, ExecutorClass::new(name))?;
    if let Some(rules) = form.rules {
        known_class(&class, rules.classes, problems);
    }
    Some(class)
}

/// The path of the class.
const CLASS: &str = "$.executor_class";

/// A class is one of these, or built in.
pub(super) fn known_class(
    class: &ExecutorClass,
    classes: &[ClassProfile],
    problems: &mut Problems,
) {
    let name = class.as_str();
    if ClassProfile::find(name, classes).is_some() {
        return;
    }
    let known = classes.iter().chain(&ClassProfile::BUILT_IN).map(|class| class.name);
    let known: Vec<&str> = known.collect();
    let meant = suggest::nearest(name, known.iter().copied())
        .map(|known| format!(", did you mean `{known}`?"))
        .unwrap_or_default();
    let known = known.join("`, `");
    problems.add(CLASS, format!("there is no class `{class}`{meant}; there are `{known}`"));
}

pub(super) fn namespace(namespace: &str, form: Form<'_>, problems: &mut Problems) {
    if let Some(problem) = rule::namespace_problem(namespace) {
        problems.add(form.path("$.namespace"), format!("a namespace {problem}"));
    }
}

pub(super) fn limits(limits: &Limits, form: Form<'_>, problems: &mut Problems) {
    if !form.is_new {
        return;
    }
    for (path, limit) in [
        ("$.limits.start", Some(limits.start)),
        ("$.limits.download", Some(limits.download)),
        ("$.limits.execute", limits.execute),
        ("$.limits.upload", Some(limits.upload)),
        ("$.limits.streaming_start", Some(limits.streaming_start)),
    ] {
        if limit.is_some_and(|limit| !rule::is_run_limit(limit)) {
            problems.add(form.path(path), "a limit is longer than 0 and at most 30 days");
        }
    }
    if limits.grace != Duration::ZERO && !rule::is_run_limit(limits.grace) {
        problems.add("$.limits.grace", "the grace is at most 30 days");
    }
}

pub(super) fn resources(resources: &Resources, form: Form<'_>, problems: &mut Problems) {
    if !form.is_new {
        return;
    }
    let Resources { memory_bytes, cpu_millis, processes, shared_memory_bytes, gpu: _ } = resources;
    let is_size = |bytes: u64| bytes > 0 && i64::try_from(bytes).is_ok();
    for (path, size) in
        [("$.resources.memory", memory_bytes), ("$.resources.shared_memory", shared_memory_bytes)]
    {
        if size.is_some_and(|size| !is_size(size)) {
            problems.add(path, "a size is more than 0 bytes and less than 2^63");
        }
    }
    if *cpu_millis == Some(0) {
        problems.add("$.resources.cpus", "a run needs at least one thousandth of a processor");
    }
    if *processes == Some(0) {
        problems.add("$.resources.processes", "a run needs at least one process");
    }
}

pub(super) fn env(env: &[(String, String)], problems: &mut Problems) {
    let mut names = HashSet::new();
    for (name, value) in env {
        let path = || member("$.env", name);
        if let Some(problem) = rule::env_name_problem(name) {
            problems.add(path(), format!("the name of a variable {problem}"));
        }
        if value.contains('\0') {
            problems.add(path(), "the value of a variable has no zero byte");
        }
        if !names.insert(name) {
            problems.add(path(), "the variable is set twice");
        }
    }
}

pub(super) fn inputs(inputs: &[(String, MountedVolume)], form: Form<'_>, problems: &mut Problems) {
    for (at, input) in inputs {
        match &input.volume {
            InputVolume::File { .. } if input.path.is_none() => {
                problems.add(at, "a file needs a name: write its path after `/volume/`");
            }
            InputVolume::HuggingFace(repository) => hub(at, repository, form, problems),
            InputVolume::Inline(zip) => {
                let read = form.rules.map_or(Ok(()), |rules| (rules.inline_zip)(zip));
                problems.check(&member(at, "contents"), read);
            }
            _ => {}
        }
    }
    let mut in_use = InUse::default();
    for (at, input) in inputs {
        let Some(path) = &input.path else { continue };
        let is_file = matches!(input.volume, InputVolume::File { .. });
        // Of two volumes that exclude each other, the later one is reported. Directories may share a path.
        let other = in_use.file_above(path).or_else(|| in_use.below(path).filter(|_| is_file));
        if let Some(other) = other {
            let other = Escaped(other);
            problems.add(
                at,
                format!(
                    "it and `/volume/{other}` are in each other's way: a file has nothing below it"
                ),
            );
        }
        if in_use.at(path).is_some_and(|other| other || is_file) {
            problems.add(at, "there is another volume at the place of a file");
        }
        in_use.add(path, is_file);
    }
}

fn hub(at: &str, repository: &HubRepository, form: Form<'_>, problems: &mut Problems) {
    let HubRepository { repo_id, repo_type: _, revision, allow_patterns, token } = repository;
    if !rule::is_hub_repository(repo_id) {
        problems.add(
            member(at, "repo_id"),
            format!("`{}` is not a repository like `openai/whisper-tiny`", Escaped(repo_id)),
        );
    }
    if let Some(problem) = revision.as_deref().and_then(rule::revision_problem) {
        problems.add(member(at, "revision"), format!("a revision {problem}"));
    }
    for (index, pattern) in allow_patterns.iter().enumerate() {
        if let Some(problem) = rule::pattern_problem(pattern) {
            let path = element(&member(at, "allow_patterns"), index);
            problems.add(path, format!("a pattern {problem}"));
        }
    }
    // It is sent in a header. That of a run that has begun is hidden.
    let is_sent =
        |token: &str| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if token.as_ref().is_some_and(|token| form.is_new && !is_sent(token.reveal())) {
        let problem = "a token is not empty, and has visible ASCII characters only";
        problems.add(member(at, "token"), problem);
    }
}

pub(super) fn outputs(outputs: &[(String, Output)], problems: &mut Problems) {
    let mut has_zip = false;
    let mut in_use = InUse::default();
    for (at, output) in outputs {
        let (Output::File(_, to) | Output::Zip(to)) = output;
        upload(at, to, problems);
        match output {
            Output::Zip(_) if has_zip => {
                problems.add(at, "there is one zip file of the other outputs, not several");
            }
            Output::Zip(_) => has_zip = true,
            Output::File(path, _) => {
                if let Some(other) = in_use.file_above(path).or_else(|| in_use.below(path)) {
                    let other = Escaped(other);
                    problems.add(at, format!("it and `/output/{other}` cannot both be files"));
                }
                in_use.add(path, true);
            }
        }
    }
}

/// In JSON each name stands once.
fn upload(at: &str, to: &Upload, problems: &mut Problems) {
    let mut check = |key: &str, pairs: &SecretPairs| {
        let mut names = HashSet::new();
        for (name, _) in pairs.reveal() {
            if !names.insert(name) {
                problems.add(member(&member(at, key), name), "the name is given twice");
            }
        }
    };
    check("signed_headers", to.headers());
    if let UploadMethod::Post { fields } = to.method() {
        check("form_fields", fields);
    }
}
