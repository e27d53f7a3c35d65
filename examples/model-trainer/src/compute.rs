//! What a training computes with, found once before the job starts.

use std::fmt;

use chutes::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::task::{JoinError, spawn_blocking};

/// The device of a run and its threads.
#[derive(Debug)]
pub(crate) struct Compute {
    pool: ThreadPool,
}

/// Chooses the device. What it returns is found by the job with `ctx.state::<Compute>()`.
#[on_startup]
async fn choose_device() -> Result<Compute, JobError> {
    let cores = std::thread::available_parallelism()?.get();
    // One core stays free for the supervisor, and for SSH sessions.
    let compute = Compute::with_threads(cores.saturating_sub(1).max(1))?;
    tracing::info!("training on {compute}");
    Ok(compute)
}

impl Compute {
    pub(crate) fn with_threads(threads: usize) -> Result<Self, JobError> {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
        Ok(Self { pool })
    }

    /// Takes one step of some work and gives the work back, with what came of the step.
    ///
    /// It is done on a thread for blocking calls: a step that takes seconds on a thread of the async
    /// runtime would keep it from everything else.
    pub(crate) async fn step<W, T>(
        self: &std::sync::Arc<Self>,
        mut work: W,
        step: impl FnOnce(&mut W) -> T + Send + 'static,
    ) -> Result<(W, T), JoinError>
    where
        W: Send + 'static,
        T: Send + 'static,
    {
        let compute = std::sync::Arc::clone(self);
        spawn_blocking(move || {
            let done = compute.pool.install(|| step(&mut work));
            (work, done)
        })
        .await
    }
}

impl fmt::Display for Compute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pool.current_num_threads() {
            1 => f.write_str("cpu with 1 thread"),
            threads => write!(f, "cpu with {threads} threads"),
        }
    }
}
