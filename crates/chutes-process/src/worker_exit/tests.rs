use super::*;

/// The status of a process that a signal has ended, as the kernel reports it.
fn ended_by(signal: Signal) -> ExitStatus {
    ExitStatus::from_raw(signal.as_raw())
}

fn check(status: ExitStatus, evidence: &Evidence<'_>, kind: FailureKind, message: &str) {
    let exit = WorkerExit::of(status, evidence);
    assert_eq!((exit.kind, exit.message.as_str()), (kind, message), "{evidence:?}");
    assert_eq!(exit.exit_code, status.code());
    assert_eq!(exit.signal.is_some(), status.signal().is_some());
}

fn counted(kills: u64, at_limit: u64) -> Evidence<'static> {
    Evidence { cgroup: Some(OomCount { kills, at_limit }), ..Evidence::default() }
}

const OUTSIDE: &str = "the job's process was killed by SIGKILL (another process, or the system at a hard limit such as \
                       that of `ulimit -t`)";
const NO_MEMORY_LEFT: &str = "the kernel killed the job's process because there was no memory left";
const LIMIT: &str = "the job needed more memory than its limit of 512.0 MB";

#[test]
fn exits() {
    let evidence = Evidence { system_oom_kills: 1, stderr_tail: STACK_OVERFLOW, ..counted(1, 1) };
    for code in [0, 3, 137, 255] {
        let message = format!("the job ended its process with exit code {code}");
        check(ExitStatus::from_raw(code << 8), &evidence, FailureKind::Exited, &message);
    }
    let exit = WorkerExit::of(ExitStatus::from_raw(0x137f), &evidence);
    assert_eq!((exit.kind, exit.exit_code, exit.signal), (FailureKind::Exited, None, None));
}

#[test]
fn crashes() {
    for (signal, message) in [
        (Signal::SEGV, "SIGSEGV (invalid memory reference)"),
        (
            Signal::BUS,
            "SIGBUS (memory that is not there, for instance behind the end of a mapped file)",
        ),
        (Signal::ILL, "SIGILL (illegal instruction)"),
        (Signal::FPE, "SIGFPE (invalid arithmetic, for instance a division by zero)"),
        (Signal::SYS, "SIGSYS (forbidden or unknown system call)"),
        (Signal::TRAP, "SIGTRAP (breakpoint without debugger)"),
    ] {
        let message = format!("the job's process was killed by {message}");
        let evidence =
            Evidence { system_oom_kills: 1, stderr_tail: STACK_OVERFLOW, ..counted(1, 1) };
        check(ended_by(signal), &evidence, FailureKind::Crashed, &message);
        // A core dump changes nothing.
        let dumped = ExitStatus::from_raw(signal.as_raw() | 0x80);
        check(dumped, &evidence, FailureKind::Crashed, &message);
    }
}

#[test]
fn kills() {
    let nothing = Evidence::default();
    check(ended_by(Signal::KILL), &nothing, FailureKind::Killed, OUTSIDE);
    let message = "the job's process was killed by SIGTERM (the process itself, or another one)";
    check(ended_by(Signal::TERM), &counted(1, 1), FailureKind::Killed, message);
    let message = "the job's process was killed by SIGRTMIN+1 (the process itself, or another one)";
    check(ExitStatus::from_raw(35), &nothing, FailureKind::Killed, message);
    for (signal, reason) in [
        (Signal::XFSZ, "SIGXFSZ (a file became larger than `ulimit -f` allows)"),
        (Signal::XCPU, "SIGXCPU (the processor time of `ulimit -t` was used up)"),
        (Signal::ALARM, "SIGALRM (a timer that the process has set, or another process)"),
        (Signal::PIPE, "SIGPIPE (it wrote to a pipe that has no reader)"),
    ] {
        let message = format!("the job's process was killed by {reason}");
        check(ended_by(signal), &nothing, FailureKind::Killed, &message);
    }

    let sent = Evidence { sent: Some(Signal::KILL), system_oom_kills: 3, ..counted(1, 1) };
    let message = "the job's process was ended by the run (SIGKILL)";
    check(ended_by(Signal::KILL), &sent, FailureKind::Killed, message);
    // The signal that the run has sent is not the one that ended it.
    check(
        ended_by(Signal::KILL),
        &Evidence { sent: Some(Signal::TERM), ..nothing },
        FailureKind::Killed,
        OUTSIDE,
    );
    let sent = Evidence { sent: Some(Signal::TERM), ..counted(1, 0) };
    check(ended_by(Signal::KILL), &sent, FailureKind::OutOfMemory, NO_MEMORY_LEFT);
}

#[test]
fn memory() {
    let limit = MemoryLimit::Cgroup { bytes: 512_000_000 };
    let limited = |kills, at_limit| Evidence { limit: Some(&limit), ..counted(kills, at_limit) };
    check(ended_by(Signal::KILL), &limited(1, 1), FailureKind::MemoryLimit, LIMIT);
    // The machine had no memory left although the run was below its limit.
    check(ended_by(Signal::KILL), &limited(1, 0), FailureKind::OutOfMemory, NO_MEMORY_LEFT);
    check(ended_by(Signal::KILL), &counted(1, 1), FailureKind::OutOfMemory, NO_MEMORY_LEFT);
    // The cgroup was at its limit, but the kernel killed no process for it.
    check(ended_by(Signal::KILL), &limited(0, 5), FailureKind::Killed, OUTSIDE);

    let elsewhere = Evidence { system_oom_kills: 1, ..Evidence::default() };
    let message = "the job's process was killed by SIGKILL while the kernel killed processes because the \
                   machine had no memory left";
    check(ended_by(Signal::KILL), &elsewhere, FailureKind::OutOfMemory, message);
    let not_ours = Evidence { system_oom_kills: 1, ..counted(0, 0) };
    check(ended_by(Signal::KILL), &not_ours, FailureKind::Killed, OUTSIDE);
}

#[test]
fn aborts() {
    const NO_BYTES: &str = "memory allocation of 4096 bytes failed\n";
    const PLAIN: &str = "the job's process aborted itself (SIGABRT)";
    let cgroup = MemoryLimit::Cgroup { bytes: 512_000_000 };
    let space = MemoryLimit::AddressSpace { bytes: 512_000_000, because: "no cgroup".into() };
    let check = |stderr_tail: &str, limit, kind, message: &str| {
        let evidence = Evidence { limit, stderr_tail, ..Evidence::default() };
        check(ended_by(Signal::ABORT), &evidence, kind, message);
    };
    check("", None, FailureKind::Aborted, PLAIN);
    check("memory allocation of\n4096 bytes failed", Some(&space), FailureKind::Aborted, PLAIN);
    check(NO_BYTES, Some(&space), FailureKind::MemoryLimit, LIMIT);
    check("what():  std::bad_alloc\n", Some(&space), FailureKind::MemoryLimit, LIMIT);
    let message = "the job's process aborted because it could not allocate memory (SIGABRT)";
    check(NO_BYTES, None, FailureKind::Aborted, message);
    check(NO_BYTES, Some(&cgroup), FailureKind::Aborted, message);
    let message = "the job used up its stack: a function calls itself without end, or a thread needs a \
                   larger stack";
    let printed =
        "\nthread 'main' (7) has overflowed its stack\nfatal runtime error: stack overflow";
    check(printed, Some(&space), FailureKind::StackOverflow, message);
    // The process has survived that, or it was another one.
    let later = format!("{printed}\n{}", "it goes on\n".repeat(1_000));
    check(&later, Some(&space), FailureKind::Aborted, PLAIN);
}

/// In a program whose panics abort it.
#[test]
fn panics() {
    let stderr_tail = "thread 'job' (7) panicked at src/job.rs:3:5:\nno data\nnote: run with it\n";
    let evidence = Evidence { stderr_tail, ..Evidence::default() };
    let exit = WorkerExit::of(ended_by(Signal::ABORT), &evidence);
    assert_eq!(exit.kind, FailureKind::Panic);
    assert_eq!(exit.message, "the job panicked at src/job.rs:3:5: no data");
    assert_eq!(exit.location.as_deref(), Some("src/job.rs:3:5"));
    assert_eq!(exit.signal.as_deref(), Some("SIGABRT"));
    let exit = WorkerExit::of(ended_by(Signal::SEGV), &evidence);
    assert_eq!((exit.kind, exit.location), (FailureKind::Crashed, None));
}

#[test]
fn kills_of_the_whole_machine() {
    assert_eq!(oom_kills("pgfault 1\noom_kill 12\nnuma_hit 4\n"), Some(12));
    assert_eq!(oom_kills("oom_kill_other 1\n"), None);
    assert_eq!(oom_kills("oom_kill\n"), None);
    assert!(system_oom_kills().is_some());
}

#[test]
fn real_signals() {
    for signal in [Signal::ABORT, Signal::SEGV, Signal::KILL] {
        let script = format!("kill -{} $$", signal.as_raw());
        let status = std::process::Command::new("sh").args(["-c", &script]).status().unwrap();
        let exit = WorkerExit::of(status, &Evidence::default());
        assert_eq!(exit.signal.as_deref(), Some(&*signal::name(signal.as_raw())));
    }
}
