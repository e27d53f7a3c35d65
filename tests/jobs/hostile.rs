//! A job that dies, or refuses to, in every possible way, as its data says.

use std::fs::{File, OpenOptions};
use std::hint::black_box;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use chutes::prelude::*;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, Signal};
use rustix::process::{getpgid, getpid, getppid, kill_current_process_group, kill_process};
use rustix::process::{pidfd_getfd, pidfd_open, setpgid, setsid};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// Returns.
    Value,
    /// Returns an error.
    Error,
    Panic(Panic),
    /// Ends the process by itself, with this code.
    Exit(i32, Place),
    Abort,
    /// Becomes another program.
    Exec,
    /// Sends itself the signal of this number until it is dead.
    Signal(i32),
    /// Runs these bytes as machine code.
    MachineCode(Vec<u8>),
    /// Calls itself without end.
    StackOverflow(Place),
    /// Uses this much memory, in megabytes.
    Memory(usize),
    Refuse(Refusal),
    Connection(Talk),
    /// Closes its standard output and standard error.
    CloseStreams,
    /// Goes to the process group of its supervisor, then to a session of its own, and never ends.
    LeaveSession,
    /// Kills its own process group.
    KillGroup,
    /// Kills its supervisor as soon as a file named `go` is in its scratch directory.
    KillSupervisor,
    /// Runs a shell script, in its scratch directory, to its end.
    Shell(String),
    /// Starts a shell script, in its scratch directory, and never ends.
    Background(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Job,
    /// A thread that the job has started. The job itself never ends.
    Thread,
    /// After a request to stop.
    WhenAsked,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Panic {
    InThread,
    InThreadThatIsJoined,
    InDrop,
    WhileUnwinding,
    InForeignFunction,
    /// With a value that panics itself when it is dropped.
    WithExplosive,
    /// With a value that is not text.
    WithoutText,
    WhenAsked,
    /// When its future is dropped.
    WhenAborted,
}

/// Ways to ignore a request to stop.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refusal {
    /// Uses a thread of its runtime for ever.
    Spin,
    /// Lets a thread of its runtime sleep for ever.
    Sleep,
    /// Uses every thread of its runtime.
    SleepEverywhere,
    /// Notices the request to stop, and continues.
    Swallow,
    /// Never returns from the drop of its future.
    StayInDrop,
    /// Never ends and ignores SIGTERM.
    IgnoreTermination,
    /// Stops its process.
    Stop,
}

/// What a job may do to the connection to its supervisor.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Talk {
    Close,
    CloseAndReturn,
    Nonsense,
}

/// Writes one output, prints `ready`, then does what its data says.
#[job]
async fn dies(ctx: JobContext, way: Way) -> Result<&'static str, JobError> {
    std::fs::write(ctx.output_dir().join("partial.txt"), "partial")?;
    println!("ready");
    match way {
        Way::Value => Ok("alive"),
        Way::Error => Err("it went wrong".into()),
        Way::Panic(panic) => panic.happen(&ctx).await,
        Way::Exit(code, place) => place.run(&ctx, move || std::process::exit(code)).await,
        Way::Abort => std::process::abort(),
        Way::Exec => Err(Command::new("sleep").arg("300").exec().into()),
        Way::Signal(number) => send_itself(number),
        Way::MachineCode(code) => run_machine_code(&code),
        Way::StackOverflow(place) => {
            let overflow = || println!("{}", use_stack(black_box(0)));
            place.run(&ctx, overflow).await
        }
        Way::Memory(megabytes) => use_memory(megabytes),
        Way::Refuse(refusal) => refusal.go_on(&ctx).await,
        Way::Connection(talk) => talk.happen().await,
        Way::CloseStreams => close_streams(),
        Way::LeaveSession => leave_session(),
        Way::KillGroup => {
            kill_current_process_group(Signal::KILL)?;
            std::future::pending().await
        }
        Way::KillSupervisor => kill_supervisor(&ctx).await,
        Way::Shell(script) => run_shell(&ctx, &script),
        Way::Background(script) => {
            shell(&ctx, &script).spawn()?;
            std::future::pending().await
        }
    }
}

impl Place {
    async fn run(
        self,
        ctx: &JobContext,
        end: impl FnOnce() + Send + 'static,
    ) -> Result<&'static str, JobError> {
        match self {
            Self::Job => end(),
            Self::Thread => drop(std::thread::spawn(end)),
            Self::WhenAsked => {
                ctx.cancellation().cancelled().await;
                end();
            }
        }
        std::future::pending().await
    }
}

struct Explosive;

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("it panics while it is dropped");
    }
}

extern "C" fn foreign_function() {
    panic!("it panics where no panic may pass");
}

impl Panic {
    async fn happen(self, ctx: &JobContext) -> Result<&'static str, JobError> {
        let thread = || std::thread::spawn(|| panic!("it panics in a thread")).join();
        match self {
            Self::InThread => drop(thread()),
            Self::InThreadThatIsJoined => thread().unwrap_or_else(|payload| {
                std::panic::resume_unwind(payload);
            }),
            Self::InDrop => drop(Explosive),
            Self::WhileUnwinding => {
                let _second = Explosive;
                panic!("it panics first");
            }
            Self::InForeignFunction => foreign_function(),
            Self::WithExplosive => std::panic::panic_any(Explosive),
            Self::WithoutText => std::panic::panic_any(7),
            Self::WhenAsked => {
                ctx.cancellation().cancelled().await;
                panic!("it panics when it is asked to stop");
            }
            Self::WhenAborted => {
                let _explosive = Explosive;
                std::future::pending::<()>().await;
            }
        }
        Ok("alive")
    }
}

/// The first SIGSEGV and the first SIGBUS are taken by the handler that looks for stack overflows.
fn send_itself(number: i32) -> Result<&'static str, JobError> {
    let signal = Signal::from_named_raw(number).ok_or("no such signal")?;
    loop {
        kill_process(getpid(), signal)?;
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Writes the code over a function, and calls that: without `unsafe` there is no other real crash.
fn run_machine_code(code: &[u8]) -> Result<&'static str, JobError> {
    #[inline(never)]
    fn victim(number: u64) -> u64 {
        black_box(number) / black_box(3) + black_box(5)
    }

    let victim: fn(u64) -> u64 = victim;
    let mut memory = OpenOptions::new().write(true).open("/proc/self/mem")?;
    memory.seek(SeekFrom::Start((victim as usize).try_into()?))?;
    memory.write_all(code)?;
    black_box(victim)(7);
    Ok("alive")
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn use_stack(depth: u64) -> u64 {
    let frame = black_box([depth; 64]);
    frame[0] + black_box(use_stack(black_box(depth + 1)))
}

/// Memory counts when it is written to.
fn use_memory(megabytes: usize) -> Result<&'static str, JobError> {
    let memory: Vec<Vec<u8>> = (0..megabytes).map(|_| black_box(vec![1; 1_000_000])).collect();
    if black_box(&memory).len() == megabytes { Ok("alive") } else { Err("too little".into()) }
}

struct StaysInDrop;

impl Drop for StaysInDrop {
    fn drop(&mut self) {
        sleep_for_ever();
    }
}

fn sleep_for_ever() -> ! {
    loop {
        std::thread::park();
    }
}

impl Refusal {
    async fn go_on(self, ctx: &JobContext) -> Result<&'static str, JobError> {
        let _guard = matches!(self, Self::StayInDrop).then(|| StaysInDrop);
        match self {
            Self::Spin => loop {
                black_box(0);
            },
            Self::Sleep => sleep_for_ever(),
            Self::SleepEverywhere => {
                for _ in 0..64 {
                    tokio::spawn(async { sleep_for_ever() });
                }
                sleep_for_ever()
            }
            Self::Swallow => ctx.cancellation().cancelled().await,
            Self::StayInDrop => {}
            Self::IgnoreTermination => {
                let _ignored = signal(SignalKind::terminate())?;
                println!("ignoring");
                sleep_for_ever()
            }
            Self::Stop => kill_process(getpid(), Signal::STOP)?,
        }
        std::future::pending().await
    }
}

/// The connection to the supervisor: the socket that was opened first.
fn connection() -> Result<OwnedFd, JobError> {
    let entries = std::fs::read_dir("/proc/self/fd")?.flatten();
    let is_socket = |entry: &std::fs::DirEntry| {
        let target = std::fs::read_link(entry.path()).unwrap_or_default();
        target.to_string_lossy().starts_with("socket:")
    };
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let first = entries.filter(is_socket).filter_map(number).min().ok_or("no connection")?;
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(this, first, PidfdGetfdFlags::empty())?)
}

impl Talk {
    async fn happen(self) -> Result<&'static str, JobError> {
        let connection = connection()?;
        match self {
            Self::Close => rustix::net::shutdown(&connection, rustix::net::Shutdown::Both)?,
            Self::CloseAndReturn => {
                rustix::net::shutdown(&connection, rustix::net::Shutdown::Write)?;
                return Ok("nobody hears of it");
            }
            Self::Nonsense => drop(rustix::io::write(&connection, &[0xff; 64])?),
        }
        std::future::pending().await
    }
}

fn close_streams() -> Result<&'static str, JobError> {
    let nothing = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    println!("nobody sees this");
    Ok("alive")
}

/// The leader of a process group cannot begin a session, so the process joins another group first.
fn leave_session() -> Result<&'static str, JobError> {
    setpgid(None, Some(getpgid(getppid())?))?;
    setsid()?;
    println!("left");
    sleep_for_ever()
}

async fn kill_supervisor(ctx: &JobContext) -> Result<&'static str, JobError> {
    while !ctx.scratch_dir().join("go").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kill_process(getppid().ok_or("no supervisor")?, Signal::KILL)?;
    std::future::pending().await
}

fn shell(ctx: &JobContext, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(ctx.scratch_dir()).stdin(Stdio::null());
    command
}

fn run_shell(ctx: &JobContext, script: &str) -> Result<&'static str, JobError> {
    let status = shell(ctx, script).status()?;
    if status.success() { Ok("alive") } else { Err(format!("the shell ended: {status}").into()) }
}
