//! Serves the control socket of a run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use chutes_core::RunEvent;
use tokio::net::UnixListener;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Controls;
use super::connection::{refuse, serve};
use super::socket::{NAME, is_own_user, listen};

/// How many clients are served at the same time. Each needs a descriptor, of which a process has 1,024 by default.
const MAX_CLIENTS: usize = 300;

/// How long the end of a run waits for clients that have not read everything yet and go on reading.
const LAST_TIME: Duration = Duration::from_secs(5);

/// How long it waits for clients of which none reads.
const STALL_TIME: Duration = Duration::from_secs(1);

/// How long it takes to try again when a client cannot be accepted, for instance for want of descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// The control socket of a run, while it is served.
pub(crate) struct ControlServer {
    socket: PathBuf,
    stop: CancellationToken,
    thread: JoinHandle<()>,
}

impl ControlServer {
    /// Serves the run in this directory. Without a socket it goes on, with a warning to those who see its events.
    pub(crate) fn of(directory: &Path, controls: Controls) -> Option<Self> {
        let log = controls.log.clone();
        let started = Self::start(directory, controls);
        let warn = |error: io::Error| {
            let message =
                format!("there is no control socket, so the run cannot be followed: {error}");
            log.emit(RunEvent::Warning { message });
        };
        started.map_err(warn).ok()
    }

    /// Listens in the directory of a run, and serves clients on a thread of its own.
    pub(super) fn start(directory: &Path, controls: Controls) -> io::Result<Self> {
        let listener = listen(directory)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _within = runtime.enter();
            UnixListener::from_std(listener)?
        };
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let thread = thread::Builder::new().name("control".into()).spawn(move || {
            runtime.block_on(accept(listener, controls, stopping));
        })?;
        Ok(Self { socket: directory.join(NAME), stop, thread })
    }

    /// Takes no more clients, and waits for a moment until those that are there have read everything.
    pub(crate) async fn finish(self) {
        // What stays there refuses connections.
        let _ = std::fs::remove_file(&self.socket);
        self.stop.cancel();
        // The clock of a test with virtual time stands still while a blocking task runs, and would not for another wait. A
        // thread that has panicked has ended, too.
        let _ = spawn_blocking(|| self.thread.join()).await;
    }
}

async fn accept(listener: UnixListener, controls: Controls, stop: CancellationToken) {
    let (mut clients, places) = (JoinSet::new(), Arc::new(Semaphore::new(MAX_CLIENTS)));
    let sent = Arc::<AtomicU64>::default();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
            // Frees what is kept of clients that are gone.
            Some(_) = clients.join_next(), if !clients.is_empty() => continue,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if !is_own_user(&stream) {
            continue;
        }
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let (controls, stop, sent) = (controls.clone(), stop.clone(), Arc::clone(&sent));
                clients.spawn(async move {
                    // A client that is gone is nothing to report.
                    let _ = serve(stream, controls, stop, sent).await;
                    drop(place);
                });
            }
            Err(_) => refuse(&stream, "too many clients"),
        }
    }
    drop((listener, controls));
    // One that does not read is left alone.
    let _ = timeout(LAST_TIME, last_words(&mut clients, &sent)).await;
}

/// Waits until all clients have what is there for them, or until none of them reads any more.
async fn last_words(clients: &mut JoinSet<()>, sent: &AtomicU64) {
    loop {
        let before = sent.load(Ordering::Relaxed);
        let all = async { while clients.join_next().await.is_some() {} };
        let all_have_ended = timeout(STALL_TIME, all).await.is_ok();
        if all_have_ended || sent.load(Ordering::Relaxed) == before {
            return;
        }
    }
}
