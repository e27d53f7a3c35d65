//! Asking a job binary what its job declares.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use chutes_core::{JobContract, JobName, Json};

/// The longest description that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What a job of another binary declares: runs `PROGRAM describe JOB --json`. Blocks until the program ends.
///
/// # Errors
///
/// When the program cannot be started, fails, or prints something else.
pub fn describe(program: &Path, job: &JobName) -> Result<JobContract, DescribeError> {
    let failed = |reason| DescribeError { program: program.to_owned(), job: job.clone(), reason };
    let mut child = Command::new(program)
        .args(["describe", job.as_str(), "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(DescribeFailure::Start(error)))?;
    let mut text = String::new();
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(MAX_BYTES).read_to_string(&mut text),
        None => Ok(0),
    };
    let status = child.wait();
    let status = read.and(status).map_err(|error| failed(DescribeFailure::Start(error)))?;
    if !status.success() {
        return Err(failed(DescribeFailure::Exit(status)));
    }
    let contract = Json::parse(&text).and_then(|json| json.to());
    contract.map_err(|error| failed(DescribeFailure::Content(error.to_string())))
}

/// A program that does not say what its job declares.
#[derive(Debug, thiserror::Error)]
#[error("`{} describe {job} --json` does not describe the job", program.display())]
pub struct DescribeError {
    /// The program.
    pub program: PathBuf,
    /// The job.
    pub job: JobName,
    /// Why not.
    #[source]
    pub reason: DescribeFailure,
}

/// Why a program does not describe its job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DescribeFailure {
    /// It cannot be started or read.
    #[error(transparent)]
    Start(io::Error),
    /// It failed; its standard error says why.
    #[error("the program ended with {0}")]
    Exit(ExitStatus),
    /// What it printed is not a contract.
    #[error("what it prints is not the contract of a job: {0}")]
    Content(String),
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_programs_print() {
        let folder = tempfile::tempdir().unwrap();
        let job = JobName::new("train").unwrap();
        let check = |script: &str, expected: Result<&str, &str>| {
            let program = folder.path().join("program");
            std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o700)).unwrap();
            let found = describe(&program, &job).map(|contract| contract.name.to_string());
            let found = found.map_err(|error| error.reason.to_string());
            match (found, expected) {
                (Ok(name), Ok(expected)) => assert_eq!(name, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        };
        let contract = r#"{"name": "train", "summary": "", "timeout_seconds": null, "upload": true,
            "ports": [], "ssh": false, "data_schema": null, "result_schema": null,
            "source": {"file": "a.rs", "line": 1, "module": "a"}}"#;
        check(
            &format!("[ \"$1 $2 $3\" = 'describe train --json' ] && echo '{contract}'"),
            Ok("train"),
        );
        check("exit 2", Err("exit status: 2"));
        check("echo '{}'", Err("not the contract of a job"));
        check("echo nothing", Err("not the contract of a job"));
        let error = describe(&folder.path().join("missing"), &job).unwrap_err();
        assert!(matches!(error.reason, DescribeFailure::Start(_)), "{error:?}");
    }
}
