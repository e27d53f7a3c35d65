//! The worker process: carries out the orders of its supervisor, and ends when the supervisor does.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use chutes_core::{FailureKind, Progress};
use chutes_process::{Sessions, die_with_supervisor};
use chutes_supervisor::RunDirectory;
use chutes_supervisor::worker::protocol::{Connection, Order, Report, SetupFrame, VERSION};
use chutes_supervisor::worker::{ABORT_TIME, RunParameters, StepFailure, StepResult};
use rustix::process::{Pid, Signal, kill_current_process_group};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::session::{self, Session};
use crate::registry::Registry;

/// The minimum time between two reports of progress.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(20);

/// Serves the supervisor at the other end of the socket until its last order. User code has a runtime of its own, so
/// it cannot keep the worker from receiving orders. `has_our_subscriber` is whether chutes has set the subscriber for
/// `tracing` of this process.
///
/// Does not return when the supervisor has ended: then it kills this process and its process group.
pub(crate) async fn serve(
    socket: UnixStream,
    registry: &Registry,
    user_code: Handle,
    has_our_subscriber: bool,
) -> io::Result<()> {
    let mut connection = Connection::new(socket)?;
    let Some(Order::Setup(frame)) = connection.receive().await? else {
        return Err(io::Error::other("the first frame is not the setup of a run"));
    };
    if frame.version != VERSION {
        let message = format!("supervisor and worker differ: {} and {VERSION}", frame.version);
        return Err(io::Error::other(message));
    }
    let supervisor = Pid::from_raw(frame.supervisor).unwrap_or(Pid::INIT);
    die_with_supervisor(supervisor).map_err(io::Error::other)?;
    let job = registry.get(frame.job.as_str()).map_err(io::Error::other)?.clone();
    connection.send(&Report::Ready { version: VERSION, hooks: session::hooks() }).await?;
    let session = Session::new(job, parameters(frame)).with_our_subscriber(has_our_subscriber);
    let (progress, opened) = (Reports::new(session.progress()), session.opened_ports());
    Server { connection, session, user_code, task: None, progress, opened }.serve().await
}

fn parameters(frame: SetupFrame) -> RunParameters {
    let root = PathBuf::from(std::ffi::OsString::from_vec(frame.directory));
    RunParameters {
        run_id: frame.run_id,
        data: frame.data,
        directory: RunDirectory::at(root),
        ports: frame.ports,
        sessions: Sessions::default(),
        attempt: frame.attempt,
    }
}

struct Server {
    connection: Connection,
    session: Session,
    user_code: Handle,
    task: Option<(u64, JoinHandle<StepResult>)>,
    progress: Reports,
    /// The ports that user code has opened.
    opened: watch::Receiver<BTreeSet<usize>>,
}

impl Server {
    async fn serve(mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                biased;
                order = self.connection.receive() => match order? {
                    Some(Order::Finish) => return Ok(()),
                    Some(order) => self.carry_out(order).await?,
                    None => end_process_group(),
                },
                (number, result) = ended(&mut self.task) => {
                    self.report_progress().await?;
                    if self.opened.has_changed().unwrap_or(false) {
                        self.report_opened().await?;
                    }
                    self.connection.send(&Report::Ended { number, result }).await?;
                }
                () = self.progress.due() => self.report_progress().await?,
                // The session has the sender.
                Ok(()) = self.opened.changed() => self.report_opened().await?,
            }
        }
    }

    async fn carry_out(&mut self, order: Order) -> io::Result<()> {
        match order {
            Order::Begin { number, step } => {
                self.task = Some((number, self.user_code.spawn(self.session.start(step))));
                Ok(())
            }
            Order::Cancel => {
                self.session.cancel();
                Ok(())
            }
            Order::Abort { number } => self.abort(number).await,
            Order::Setup(_) | Order::Finish => {
                Err(io::Error::other("a frame came in the wrong place"))
            }
        }
    }

    /// Aborts the step. Sends no report when the step does not yield; the supervisor waits only for a short time.
    async fn abort(&mut self, number: u64) -> io::Result<()> {
        let Some((_, task)) = self.task.take_if(|(running, _)| *running == number) else {
            return Ok(());
        };
        task.abort();
        if timeout(ABORT_TIME, task).await.is_ok() {
            self.connection.send(&Report::Aborted { number }).await?;
        }
        Ok(())
    }

    async fn report_progress(&mut self) -> io::Result<()> {
        match self.progress.take() {
            Some(newest) => self.connection.send(&Report::Progress(newest)).await,
            None => Ok(()),
        }
    }

    async fn report_opened(&mut self) -> io::Result<()> {
        let opened = self.opened.borrow_and_update().clone();
        self.connection.send(&Report::Opened(opened)).await
    }
}

/// Kills this process and its process group, because no supervisor is left to do so.
fn end_process_group() -> ! {
    let _ = kill_current_process_group(Signal::KILL);
    std::process::abort()
}

async fn ended(task: &mut Option<(u64, JoinHandle<StepResult>)>) -> (u64, StepResult) {
    let Some((number, running)) = task else { return std::future::pending().await };
    let (number, joined) = (*number, running.await);
    *task = None;
    let lost = |error| {
        let message = format!("its task ended early: {error}");
        Err(StepFailure::new(FailureKind::Platform, message))
    };
    (number, joined.unwrap_or_else(lost))
}

/// The progress reports of the job: only the newest is sent, at a limited rate.
struct Reports {
    receiver: watch::Receiver<Option<Progress>>,
    next: Instant,
    gone: bool,
}

impl Reports {
    fn new(receiver: watch::Receiver<Option<Progress>>) -> Self {
        Self { receiver, next: Instant::now(), gone: false }
    }

    /// Waits until a report is due. The future may be dropped and the method called again.
    async fn due(&mut self) {
        if self.gone {
            return std::future::pending().await;
        }
        if self.receiver.changed().await.is_err() {
            self.gone = true;
            return;
        }
        // The report stays marked as changed until `take`, even if this future is dropped at the next line.
        self.receiver.mark_changed();
        sleep_until(self.next).await;
    }

    fn take(&mut self) -> Option<Progress> {
        if !self.receiver.has_changed().unwrap_or(false) {
            return None;
        }
        self.next = Instant::now() + PROGRESS_INTERVAL;
        self.receiver.borrow_and_update().clone()
    }
}
