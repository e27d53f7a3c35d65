//! User code in a process of its own, from the side of the supervisor.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chutes_core::{FailureKind, JobName, Progress};
use chutes_ports::SocketOwner;
use chutes_process::{Tree, TreeExit, WorkerExit};
use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::signal::unix::{self, SignalKind};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::protocol::{Connection, Order, Report, SetupFrame, VERSION};
use super::resources::Resources;
use super::spawn::{Program, command};
use super::{
    ABORT_TIME, Answer, Force, Hooks, Isolation, Step, StepExit, StepFailure, UsageReader, Worker,
    WorkerContext, platform,
};
use crate::output::Output;

/// How long a process has between SIGTERM and SIGKILL.
const TERMINATION_TIME: Duration = Duration::from_secs(2);

/// How long a worker may take to end after its last step, and how long its last messages may take to arrive after
/// its end.
const LAST_TIME: Duration = Duration::from_secs(1);

/// How long a new worker may take to read its setup, on a busy machine.
const SETUP_TIME: Duration = Duration::from_mins(1);

/// How long helper processes of the job may take to notice its end.
const HELPER_TIME: Duration = Duration::from_millis(100);

/// Whether this process has a worker process.
static HAS_WORKER: AtomicBool = AtomicBool::new(false);

/// The right to have a worker process: all that descends from this process belongs to one job, so that two
/// workers at a time could not be distinguished.
struct OnlyWorker;

impl OnlyWorker {
    fn take() -> io::Result<Self> {
        if HAS_WORKER.swap(true, Ordering::AcqRel) {
            let message = "this process supervises another job already, and the processes of both could not \
                           be told apart: start a process for each";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        Ok(Self)
    }
}

impl Drop for OnlyWorker {
    fn drop(&mut self) {
        HAS_WORKER.store(false, Ordering::Release);
    }
}

/// A worker process.
pub(super) struct ProcessWorker {
    connection: Connection,
    child: Child,
    /// SIGCHLD: a child has ended, or an orphan of the job that this process has adopted.
    children: unix::Signal,
    resources: Resources,
    output: Output,
    progress: watch::Sender<Option<Progress>>,
    /// The number of ports of the run, and the indices of those that user code has reported as opened.
    ports: usize,
    opened: BTreeSet<usize>,
    /// The number of the step that was begun last.
    number: u64,
    /// Whether the worker has reported that it is ready; it runs no user code before that.
    ready: bool,
    /// The hooks that the worker has reported.
    hooks: Hooks,
    /// The exit status of the worker, once it has ended.
    status: Option<ExitStatus>,
    /// The signal with which the supervisor has ended the worker.
    sent: Option<Signal>,
    /// Why the worker is still there although it was killed: it waits in the kernel, for a device or a file system,
    /// or is frozen. Then it runs no user code any more.
    stuck: Option<String>,
    /// Given back last, when nothing of the job is left.
    _only: OnlyWorker,
}

impl ProcessWorker {
    /// Starts the process. It runs no user code before its limits are in force.
    ///
    /// Must be called on a thread that lives as long as the worker: the kernel kills the worker when the thread ends.
    pub(super) async fn start(
        program: &Program,
        job: &JobName,
        context: WorkerContext,
        output: impl FnOnce(io::PipeReader, io::PipeReader) -> io::Result<Output>,
    ) -> io::Result<Self> {
        let WorkerContext { run, env, profile, .. } = context;
        let only = OnlyWorker::take()?;
        let (ours, theirs) = UnixStream::pair()?;
        let ((out, worker_out), (err, worker_err)) = (io::pipe()?, io::pipe()?);
        let children = unix::signal(SignalKind::child())?;
        let output = output(out, err)?;
        let mut tree = Tree::begin(run.sessions.clone())?;
        let mut command = command(program, run.run_id, &env)?;
        command.stdin(OwnedFd::from(theirs)).stdout(worker_out).stderr(worker_err);
        let child = Command::from(command).kill_on_drop(true).spawn()?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| io::Error::other("the worker ended at once"))?;
        tree.set_worker(pid)?;
        let resources = Resources::of(tree, pid, run.run_id, profile.memory_bytes)?;
        let mut worker = Self {
            connection: Connection::new(ours)?,
            child,
            children,
            resources,
            output,
            progress: watch::Sender::new(None),
            ports: run.ports.len(),
            opened: BTreeSet::new(),
            number: 0,
            ready: false,
            hooks: Hooks::default(),
            status: None,
            sent: None,
            stuck: None,
            _only: only,
        };
        // The data may be larger than the buffer of the socket, so this waits until the worker reads it. An
        // error is ignored: [`Worker::ended`] reports a worker that has ended.
        let setup = Order::Setup(SetupFrame::new(job, run));
        if timeout(SETUP_TIME, worker.connection.send(&setup)).await.is_err() {
            return Err(io::Error::other("it does not take what it has to know of its run"));
        }
        Ok(worker)
    }

    /// Sends an order. An error is ignored: [`Worker::ended`] reports a worker that has ended.
    async fn send(&mut self, order: &Order) {
        let _ = timeout(LAST_TIME, self.connection.send(order)).await;
    }

    async fn begin_step(&mut self, step: Step) {
        self.number += 1;
        self.send(&Order::Begin { number: self.number, step }).await;
    }

    async fn cancel_step(&mut self) {
        self.send(&Order::Cancel).await;
    }

    async fn step_ended(&mut self) -> StepExit {
        loop {
            tokio::select! {
                biased;
                report = self.connection.receive() => match report {
                    Ok(Some(report)) => {
                        if let Some(end) = self.receive_report(report) {
                            return end;
                        }
                    }
                    // A process that has closed its connection cannot be supervised.
                    Ok(None) | Err(_) => return self.lost().await,
                },
                status = self.child.wait() => {
                    self.status = status.ok();
                    // The last messages may still be in the socket. Processes that the worker forked may
                    // hold the connection open.
                    return match timeout(LAST_TIME, self.remaining_reports()).await {
                        Ok(Some(end)) => end,
                        _ => self.lost().await,
                    };
                }
                _ = self.children.recv() => self.resources.reap(),
            }
        }
    }

    /// Reads what the worker has sent before it ended, up to the end of the step.
    async fn remaining_reports(&mut self) -> Option<StepExit> {
        while let Ok(Some(report)) = self.connection.receive().await {
            let end = self.receive_report(report);
            if end.is_some() {
                return end;
            }
        }
        None
    }

    fn receive_report(&mut self, report: Report) -> Option<StepExit> {
        match report {
            Report::Progress(progress) => {
                // The worker is the user's process: its bounds are checked here as well.
                let progress = Progress::new(progress.fraction, progress.message);
                self.progress.send_replace(Some(progress));
                None
            }
            Report::Opened(ports) => {
                self.opened.extend(ports.range(..self.ports));
                None
            }
            Report::Ended { number, result } if number == self.number => {
                Some(StepExit::Finished(result.map_err(StepFailure::bounded)))
            }
            Report::Ready { version, .. } if version != VERSION => {
                let message = format!("supervisor and worker differ: {VERSION} and {version}");
                Some(StepExit::WorkerEnded(platform(message)))
            }
            Report::Ready { hooks, .. } => {
                (self.ready, self.hooks) = (true, hooks);
                None
            }
            Report::Ended { .. } | Report::Aborted { .. } => None,
        }
    }

    /// Handles the loss of the process: kills all that is left of it, and finds the cause.
    async fn lost(&mut self) -> StepExit {
        if self.status.is_none() {
            self.wait(LAST_TIME).await;
        }
        let ended_itself = self.status.is_some();
        let oom = self.resources.evidence();
        self.kill(Duration::ZERO).await;
        if !ended_itself {
            let message = "the job's process closed the connection to its supervisor".to_owned();
            let exit = WorkerExit { kind: FailureKind::Killed, ..platform(message) };
            return StepExit::WorkerEnded(exit);
        }
        self.output.drained(LAST_TIME).await;
        StepExit::WorkerEnded(self.worker_exit(oom))
    }

    fn worker_exit(&self, oom: super::resources::OomEvidence) -> WorkerExit {
        let stderr_tail = self.output.stderr_tail();
        let exit = match self.status {
            Some(status) => self.resources.worker_exit(status, self.sent, oom, &stderr_tail),
            None => platform("it is unknown how the job's process ended".to_owned()),
        };
        if self.ready { exit } else { self.resources.never_started(exit) }
    }

    async fn wait(&mut self, time: Duration) {
        if let Ok(status) = timeout(time, self.child.wait()).await {
            self.status = status.ok();
        }
    }

    /// Ends the step; if that fails, kills the process and everything that it has started.
    async fn force_step(&mut self, urgent: bool) -> Force {
        if !urgent && self.abort().await {
            return Force::Aborted;
        }
        self.kill(if urgent { Duration::ZERO } else { TERMINATION_TIME }).await;
        Force::Killed
    }

    /// Aborts the step. Returns whether it has ended, at an `.await` or in another way.
    async fn abort(&mut self) -> bool {
        let number = self.number;
        self.send(&Order::Abort { number }).await;
        let aborted = async {
            loop {
                match self.connection.receive().await {
                    Ok(Some(
                        Report::Aborted { number: ended } | Report::Ended { number: ended, .. },
                    )) if ended == number => return true,
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => return false,
                }
            }
        };
        timeout(ABORT_TIME + ABORT_TIME, aborted).await.unwrap_or(false)
    }

    /// Ends the whole tree, whether the worker still lives or not.
    async fn kill(&mut self, termination_time: Duration) -> TreeExit {
        if self.status.is_none() {
            let is_urgent = termination_time.is_zero();
            self.sent = Some(if is_urgent { Signal::KILL } else { Signal::TERM });
        }
        let ended = {
            let (tree, cgroup) = self.resources.tree();
            let ending = tree.end(termination_time, cgroup);
            tokio::pin!(ending);
            // The tree does not reap the worker, so both are waited for at the same time.
            tokio::select! {
                ended = &mut ending => ended,
                status = self.child.wait(), if self.status.is_none() => {
                    self.status = status.ok();
                    ending.await
                }
            }
        };
        if self.status.is_none() {
            self.wait(LAST_TIME).await;
        }
        if self.status.is_none() {
            let why = ended.problem.clone();
            self.stuck =
                Some(why.unwrap_or_else(|| "the job's process cannot be ended".to_owned()));
        }
        ended
    }

    /// Ends the process if it is alive, and all processes that the job has left behind.
    async fn end(mut self) -> Vec<String> {
        let mut warnings: Vec<String> = self.resources.warnings().collect();
        // What the worker itself has read and written is counted only as long as it lives.
        self.resources.measure();
        let was_alive = self.is_alive();
        if was_alive {
            self.send(&Order::Finish).await;
            tokio::select! {
                status = self.child.wait() => self.status = status.ok(),
                () = sleep(LAST_TIME) => {}
            }
        }
        let oom = self.resources.evidence();
        let is_bad_end = was_alive && self.status.is_some_and(|status| !status.success());
        let (tree, _) = self.resources.tree();
        // Helper processes of the job that notice its end need a moment to end themselves.
        let none_left =
            self.status.is_some() && matches!(tree.wait_until_empty(HELPER_TIME).await, Ok(true));
        if let Some(why) = self.stuck.take() {
            // It was killed, and waited for, when its step was ended.
            warnings.push(why);
        } else if !none_left {
            let left = self.kill(TERMINATION_TIME).await;
            warnings.extend(left.left_behind());
            warnings.extend(left.problem);
        }
        warnings.extend(self.output.finish().await);
        if is_bad_end {
            warnings.push(format!("after the job had ended, {}", self.worker_exit(oom).message));
        }
        self.resources.release().await;
        warnings
    }
}

impl Worker for ProcessWorker {
    fn begin(&mut self, step: Step) -> Answer<'_, ()> {
        Box::pin(self.begin_step(step))
    }

    fn ended(&mut self) -> Answer<'_, StepExit> {
        Box::pin(self.step_ended())
    }

    fn cancel(&mut self) -> Answer<'_, ()> {
        Box::pin(self.cancel_step())
    }

    fn force(&mut self, urgent: bool) -> Answer<'_, Force> {
        Box::pin(self.force_step(urgent))
    }

    fn is_alive(&self) -> bool {
        self.status.is_none() && self.stuck.is_none()
    }

    fn hooks(&self) -> Hooks {
        self.hooks.clone()
    }

    fn isolation(&self) -> Isolation {
        Isolation::Process
    }

    /// The sockets of all processes of the job.
    fn socket_owner(&self) -> Option<SocketOwner> {
        let (tree, _) = self.resources.tree();
        Some(SocketOwner::Processes(Box::new(move || tree.pids())))
    }

    fn has_opened(&self, port: usize) -> bool {
        self.opened.contains(&port)
    }

    fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.progress.subscribe()
    }

    fn usage(&self) -> Option<UsageReader> {
        Some(self.resources.usage())
    }

    fn finish(self: Box<Self>) -> Answer<'static, Vec<String>> {
        Box::pin(self.end())
    }
}
