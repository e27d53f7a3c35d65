//! Classifies the end of a container from its exit code and the engine's state, and words the message.

use chutes_core::{Escaped, FailureKind, HumanSize, Json, user_text};
use chutes_process::{WorkerExit, signal_kind, signal_name};
use rustix::process::Signal;

use super::super::{StepExit, StepFailure};

/// How much of the end of standard error goes into the message of a failure, in bytes.
const MAX_STDERR_TAIL: usize = 2 * 1024;

/// The signal that this process has sent to the container last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sent {
    /// None was sent.
    #[default]
    Nothing,
    /// The stop signal of its image.
    StopSignal,
    /// SIGKILL.
    Kill,
}

/// What is known about a container that has ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence {
    pub(super) exit_code: i64,
    /// Whether the engine reports that the container ran out of memory.
    pub(super) oom_killed: bool,
    /// How many processes of this machine the kernel killed for lack of memory shortly before the container
    /// ended.
    pub(super) system_oom_kills: u64,
    /// The memory limit in force, in bytes.
    pub(super) memory_limit: Option<u64>,
    pub(super) sent: Sent,
    /// The first argument that the image got.
    pub(super) command: Option<String>,
}

impl Evidence {
    /// How the step ended. `stderr` is the end of the container's standard error.
    pub(super) fn end(&self, stderr: &str) -> StepExit {
        if self.exit_code == 0 {
            return StepExit::Finished(Ok(Json::null()));
        }
        let code = self.exit_code;
        let number = i32::try_from(code - 128).ok().filter(|number| ends_processes(*number));
        let signal = number.map(|number| (number, signal_name(number)));
        let (kind, message) = match &signal {
            Some((number, name)) if self.was_ended_by_us(*number) => {
                (FailureKind::Killed, format!("the container was ended by the run ({name})"))
            }
            _ if self.oom_killed || (code == 137 && self.system_oom_kills > 0) => self.no_memory(),
            Some((number, name)) => {
                let message =
                    format!("the container ended with exit code {code}: killed by {name}");
                (signal_kind(*number), message)
            }
            None => (FailureKind::NonzeroReturnCode, self.nonzero(stderr)),
        };
        StepExit::WorkerEnded(WorkerExit {
            exit_code: i32::try_from(code).ok(),
            signal: signal.map(|(_, name)| name.into_owned()),
            ..WorkerExit::new(kind, with_stderr_tail(message, stderr))
        })
    }

    fn was_ended_by_us(&self, signal: i32) -> bool {
        match self.sent {
            Sent::Nothing => false,
            // Images choose their stop signal. A signal of a crash is a crash at any time.
            Sent::StopSignal => {
                signal_kind(signal) != FailureKind::Crashed && signal != Signal::KILL.as_raw()
            }
            Sent::Kill => signal_kind(signal) != FailureKind::Crashed,
        }
    }

    /// The message for an exit code that is not zero.
    fn nonzero(&self, stderr: &str) -> String {
        let code = self.exit_code;
        if !was_never_begun(stderr) {
            let hint = hint(code);
            return format!("the container ended with exit code {code}{hint}");
        }
        match &self.command {
            Some(command) => {
                format!("the command `{}` of the container cannot be run", Escaped(command))
            }
            None => "the command of the image cannot be run".to_owned(),
        }
    }

    fn no_memory(&self) -> (FailureKind, String) {
        match self.memory_limit {
            Some(limit) if self.oom_killed => {
                let limit = HumanSize(limit);
                let message = format!("the container needed more memory than its limit of {limit}");
                (FailureKind::MemoryLimit, message)
            }
            Some(limit) => {
                let message = format!(
                    "the container was killed by SIGKILL while the kernel killed processes for their \
                     memory; its limit is {}",
                    HumanSize(limit)
                );
                (FailureKind::MemoryLimit, message)
            }
            None => {
                let message = "the kernel killed the container because there was no memory left";
                (FailureKind::OutOfMemory, message.to_owned())
            }
        }
    }
}

/// Parts of the messages of engines and runtimes about images that cannot be run as they are, in lowercase letters. All
/// parts of an entry are in the message.
const IMAGE_FAULTS: [&[&str]; 13] = [
    &["exec format error"],
    &["no command specified"],
    &["no command or entrypoint"],
    // Its user.
    &["unable to find user"],
    &["unable to find group"],
    &["matching entries in", "file"],
    &["must be in range 0-"],
    &["unable to setup user"],
    // Its working directory.
    &["workdir", "not a directory"],
    &["chdir to cwd"],
    // The places of its volumes and of the folders of the run.
    &["to rootfs at", "not a directory"],
    &["to rootfs at", "cannot be mounted"],
    &["mount", "outside of rootfs"],
];

/// The end of a step whose command could not be started, recognised by the error message of the engine; `None`
/// for every other error.
pub(super) fn not_started(words: &str) -> Option<StepExit> {
    let text = words.to_lowercase();
    let has = |part: &str| text.contains(part);
    // The message about a missing init process looks like that about a missing command.
    if has("docker-init") || has("catatonit") {
        return None;
    }
    if IMAGE_FAULTS.iter().any(|parts| parts.iter().all(|part| has(part))) {
        let message = format!("the image cannot be run: {words}");
        let failure = StepFailure::new(FailureKind::ImageUnavailable, message);
        return Some(StepExit::Finished(Err(failure)));
    }
    let is_exec = has("exec: ") || has("executable");
    let is_missing = has("command that was not found")
        || (is_exec && (has("not found in $path") || has("no such file or directory")));
    let is_forbidden = is_exec && (has("permission denied") || has("is a directory"));
    let exit_code = match (is_missing, is_forbidden) {
        (true, _) => 127,
        (false, true) => 126,
        (false, false) => return None,
    };
    let message = format!("the command of the container cannot be run: {words}");
    Some(StepExit::WorkerEnded(WorkerExit {
        exit_code: Some(exit_code),
        ..WorkerExit::new(FailureKind::NonzeroReturnCode, message)
    }))
}

/// Whether standard error holds nothing but the report of the engine's init process that it could not start the
/// command.
fn was_never_begun(stderr: &str) -> bool {
    let words = stderr.trim();
    let of_catatonit =
        words.starts_with("ERROR (catatonit:") && words.contains("failed to exec pid1");
    let of_tini = words.starts_with("[FATAL tini (") && words.contains("] exec ");
    !words.contains('\n') && (of_catatonit || of_tini)
}

/// What an exit code means by the convention of shells and engines.
fn hint(code: i64) -> &'static str {
    match code {
        126 => " (a command cannot be executed)",
        127 => " (a command was not found)",
        _ => "",
    }
}

/// Appends the end of standard error to the message, in one line.
fn with_stderr_tail(message: String, stderr: &str) -> String {
    let lines = user_text::end(stderr, MAX_STDERR_TAIL)
        .lines()
        .map(|line| line.replace(char::is_control, " "));
    let lines: Vec<String> = lines.filter(|line| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return message;
    }
    format!("{message}; the end of its standard error: {}", lines.join(" | ").trim())
}

/// Whether this is the number of a signal that ends a process by default. Programs use the remaining exit codes above
/// 128 for their own purposes.
const fn ends_processes(signal: i32) -> bool {
    matches!(signal, 1..=15 | 24 | 25 | 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(evidence: &Evidence, kind: FailureKind, message: &str) {
        let StepExit::WorkerEnded(exit) = evidence.end("") else { panic!("{evidence:?}") };
        assert_eq!((exit.kind, exit.message.as_str()), (kind, message), "{evidence:?}");
        assert_eq!(exit.exit_code.map(i64::from), Some(evidence.exit_code));
    }

    #[test]
    fn ends() {
        use FailureKind::{Aborted, Crashed, Killed, MemoryLimit, NonzeroReturnCode, OutOfMemory};
        let code = |exit_code| Evidence { exit_code, ..Evidence::default() };
        let ended = "the container ended with exit code";
        assert_eq!(code(0).end("noise"), StepExit::Finished(Ok(Json::null())));
        check(&code(3), NonzeroReturnCode, &format!("{ended} 3"));
        check(&code(127), NonzeroReturnCode, &format!("{ended} 127 (a command was not found)"));
        check(&code(255), NonzeroReturnCode, &format!("{ended} 255"));
        check(&code(137), Killed, &format!("{ended} 137: killed by SIGKILL"));
        check(&code(143), Killed, &format!("{ended} 143: killed by SIGTERM"));
        check(&code(139), Crashed, &format!("{ended} 139: killed by SIGSEGV"));
        check(&code(134), Aborted, &format!("{ended} 134: killed by SIGABRT"));
        let by_us = "the container was ended by the run";
        let sent = |exit_code, sent| Evidence { sent, ..code(exit_code) };
        check(&sent(143, Sent::StopSignal), Killed, &format!("{by_us} (SIGTERM)"));
        check(&sent(137, Sent::Kill), Killed, &format!("{by_us} (SIGKILL)"));
        check(&sent(139, Sent::StopSignal), Crashed, &format!("{ended} 139: killed by SIGSEGV"));
        check(&sent(137, Sent::StopSignal), Killed, &format!("{ended} 137: killed by SIGKILL"));
        check(&sent(1, Sent::Kill), NonzeroReturnCode, &format!("{ended} 1"));
        let oom = Evidence { oom_killed: true, ..code(137) };
        let no_memory = "the kernel killed the container because there was no memory left";
        check(&oom, OutOfMemory, no_memory);
        let limited = Evidence { memory_limit: Some(1024 * 1024), ..oom };
        let beyond = "the container needed more memory than its limit of 1.0 MB";
        check(&limited, MemoryLimit, beyond);
        check(&Evidence { exit_code: 1, ..limited }, MemoryLimit, beyond);
        check(&Evidence { system_oom_kills: 1, ..code(137) }, OutOfMemory, no_memory);
        // An OOM kill elsewhere does not explain a program that exits with an error code of its own.
        check(
            &Evidence { system_oom_kills: 1, ..code(1) },
            NonzeroReturnCode,
            &format!("{ended} 1"),
        );
        check(
            &Evidence { system_oom_kills: 1, ..sent(137, Sent::Kill) },
            Killed,
            &format!("{by_us} (SIGKILL)"),
        );
    }

    #[test]
    fn an_init_process_that_cannot_start_the_command() {
        let evidence = |command: Option<&str>| Evidence {
            exit_code: 1,
            command: command.map(str::to_owned),
            ..Evidence::default()
        };
        let check = |command, stderr: &str, expected: &str| {
            let StepExit::WorkerEnded(exit) = evidence(command).end(stderr) else {
                panic!("{stderr}")
            };
            assert_eq!((exit.kind, exit.exit_code), (FailureKind::NonzeroReturnCode, Some(1)));
            assert!(exit.message.starts_with(expected), "{}", exit.message);
        };
        let catatonit = "ERROR (catatonit:6): failed to exec pid1: No such file or directory\n";
        let tini = "[FATAL tini (7)] exec /x failed: No such file or directory\n";
        for words in [catatonit, tini] {
            check(Some("/x"), words, "the command `/x` of the container cannot be run; the end of");
            check(None, words, "the command of the image cannot be run; the end of");
            // A job that says so has begun.
            check(Some("/x"), &format!("begun\n{words}"), "the container ended with exit code 1;");
        }
        check(Some("/x"), "ERROR (catatonit:6): other", "the container ended with exit code 1;");
        check(Some("/x"), "", "the container ended with exit code 1");
    }

    #[test]
    fn the_end_of_standard_error_goes_into_the_message() {
        let check = |stderr: &str, expected: &str| {
            assert_eq!(with_stderr_tail("it failed".to_owned(), stderr), expected);
        };
        check("", "it failed");
        check(" \n\n", "it failed");
        check("one\n\n\u{1b}two\n", "it failed; the end of its standard error: one |  two");
        let long = with_stderr_tail(String::new(), &"€".repeat(5_000));
        assert!(long.len() < MAX_STDERR_TAIL + 100 && long.ends_with('€'));
    }

    #[test]
    fn commands_that_cannot_be_run() {
        let check = |words: &str, expected: Option<(FailureKind, Option<i32>)>| {
            let found = not_started(words).map(|end| match end {
                StepExit::WorkerEnded(exit) => (exit.kind, exit.exit_code),
                StepExit::Finished(result) => (result.unwrap_err().kind, None),
            });
            assert_eq!(found, expected, "{words}");
        };
        let user = |code| Some((FailureKind::NonzeroReturnCode, Some(code)));
        check(
            "runc: runc create failed: unable to start container process: exec: \"nosuch\": executable \
             file not found in $PATH: OCI runtime attempted to invoke a command that was not found",
            user(127),
        );
        check("exec: \"/x\": stat /x: no such file or directory", user(127));
        check("exec: \"/etc\": permission denied: OCI permission denied", user(126));
        let image = Some((FailureKind::ImageUnavailable, None));
        check("exec /bin/x: exec format error", image);
        for words in [
            "unable to find user nope: no matching entries in passwd file",
            "unable to find group nogroup9: no matching entries in group file",
            "uids and gids must be in range 0-2147483647",
            "unable to start container process: unable to setup user: stat /dev/null: no such file or \
             directory: OCI runtime attempted to invoke a command that was not found",
            "workdir \"/bin/sh\" exists on container 0c02, but is not a directory",
            "creating container be08 workdir: mkdir /a/bin/sh: not a directory",
            "OCI runtime create failed: chdir to cwd (\"/root\") set in config.json failed: permission denied",
            "error mounting \"/v\" to rootfs at \"/bin/sh\": mount /v:/bin/sh: not a directory",
            "error mounting \"/v\" to rootfs at \"/proc\": \"/r/proc\" cannot be mounted because it is not \
             of type proc",
        ] {
            check(words, image);
        }
        check("No command specified", image);
        check("exec: \"docker-init\": executable file not found in $PATH", None);
        check("crun: opening file `pids.max`: No such file or directory", None);
        check("permission denied", None);
    }
}
