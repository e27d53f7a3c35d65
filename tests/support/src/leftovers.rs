//! What is left of a run on the machine when it has ended.

use std::fs;
use std::path::Path;

use chutes_core::Outcome;

use crate::sandbox::Sandbox;

/// Checks that no process of a run is left, and that its cgroup is gone.
#[track_caller]
pub fn assert_nothing_left(sandbox: &Sandbox, outcome: &Outcome) {
    let id = outcome.run_id.to_string();
    let left = processes_left(sandbox, &id);
    assert!(left.is_empty(), "{left:#?}");
    let cgroups = cgroups_of(&id);
    assert!(cgroups.is_empty(), "{cgroups:?} are still there");
}

/// The names of the cgroups of a run and of its supervisor, in all hierarchies.
pub fn cgroups_of(run_id: &str) -> Vec<String> {
    let mut names = Vec::new();
    visit_folders(Path::new("/sys/fs/cgroup"), &mut |name| {
        if name.starts_with("chutes-") && name.ends_with(run_id) {
            names.push(name.to_owned());
        }
    });
    names
}

/// The processes with the id of the run in their environment, in its cgroup, or with the sandbox as their
/// working directory. Each is the text of its `/proc/ID/status`.
pub fn processes_left(sandbox: &Sandbox, run_id: &str) -> Vec<String> {
    let variable = format!("CHUTES_RUN_ID={run_id}");
    let cgroup = format!("chutes-{run_id}");
    let folder = sandbox.path(".").canonicalize().unwrap();
    let is_of_the_run = |id: &i32| {
        let read = |name: &str| fs::read(format!("/proc/{id}/{name}")).unwrap_or_default();
        let works_in = fs::read_link(format!("/proc/{id}/cwd")).unwrap_or_default();
        read("environ").split(|byte| *byte == 0).any(|one| one == variable.as_bytes())
            || String::from_utf8_lossy(&read("cgroup")).contains(&cgroup)
            || works_in.starts_with(&folder)
    };
    let left = processes().filter(|id| !has_ended(*id)).filter(is_of_the_run);
    left.map(|id| fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default()).collect()
}

/// Whether a process has ended and only its exit status is left.
fn has_ended(id: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:\tZ"))
}

/// The ids of all processes.
fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Gives the names of all folders below this one.
fn visit_folders(below: &Path, add: &mut dyn FnMut(&str)) {
    let Ok(entries) = fs::read_dir(below) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir())) {
        add(&entry.file_name().to_string_lossy());
        visit_folders(&entry.path(), &mut *add);
    }
}
