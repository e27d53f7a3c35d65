//! The resources of a worker process: its process tree, its cgroup, its memory limit.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chutes_core::{FailureKind, RunId};
use rustix::process::{Pid, Signal};

use chutes_process::{
    Cgroup, Evidence, MemoryLimit, OomCount, Tree, UsageMeter, WorkerExit, system_oom_kills,
};

use super::UsageReader;

/// What to do about a program that ends before it is a worker.
const BEFORE_MAIN: &str = ", before it came to `chutes::main()`: call that first in `main`, and where `chutes::is_worker()` \
                           says so, before arguments are parsed";

/// Everything that belongs to one worker.
pub(super) struct Resources {
    tree: Arc<Tree>,
    cgroup: Option<Arc<Cgroup>>,
    meter: Arc<UsageMeter>,
    limit: Option<MemoryLimit>,
    oom_before: Option<OomCount>,
    /// The OOM kill count of this machine when the memory in use was last read.
    system_before: Arc<AtomicU64>,
}

/// The OOM kills since the worker started, counted before the supervisor kills any process itself.
#[derive(Clone, Copy)]
pub(super) struct OomEvidence {
    cgroup: Option<OomCount>,
    system: u64,
}

impl Resources {
    /// Puts a worker under its limits, before it runs any user code.
    pub(super) fn of(
        tree: Tree,
        worker: Pid,
        run_id: RunId,
        memory_limit: Option<u64>,
    ) -> io::Result<Self> {
        let cgroup = Cgroup::create(run_id).and_then(|cgroup| {
            let added = cgroup.add(worker);
            added.map(|()| cgroup).map_err(|error| format!("the cgroup takes no process: {error}"))
        });
        let limit = memory_limit.map(|bytes| {
            let cgroup = cgroup.as_ref().map_err(String::as_str);
            MemoryLimit::set(worker, bytes, cgroup).map_err(io::Error::other)
        });
        let (tree, cgroup) = (Arc::new(tree), cgroup.ok().map(Arc::new));
        Ok(Self {
            meter: Arc::new(UsageMeter::begin(&tree, cgroup.as_ref())),
            tree,
            limit: limit.transpose()?,
            oom_before: cgroup.as_ref().and_then(|cgroup| cgroup.oom_count()),
            cgroup,
            system_before: Arc::new(AtomicU64::new(system_oom_kills().unwrap_or_default())),
        })
    }

    pub(super) fn tree(&self) -> (Arc<Tree>, Option<&Cgroup>) {
        (Arc::clone(&self.tree), self.cgroup.as_deref())
    }

    /// Reaps orphans of the job that this process has adopted.
    pub(super) fn reap(&self) {
        // Orphans that cannot be reaped now are reaped at the end of the run.
        let _ = self.tree.reap_orphans();
    }

    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        self.limit.as_ref().and_then(MemoryLimit::warning).into_iter()
    }

    /// Returns a function that reads what the job uses.
    pub(super) fn usage(&self) -> UsageReader {
        let (meter, system) = (Arc::clone(&self.meter), Arc::clone(&self.system_before));
        Arc::new(move || {
            system.store(system_oom_kills().unwrap_or_default(), Ordering::Relaxed);
            Some(meter.read())
        })
    }

    /// Measures what the job uses now, for those who ask later.
    pub(super) fn measure(&self) {
        let _ = self.meter.read();
    }

    pub(super) fn evidence(&self) -> OomEvidence {
        let count = self.cgroup.as_ref().and_then(|cgroup| cgroup.oom_count());
        let before = self.system_before.load(Ordering::Relaxed);
        OomEvidence {
            cgroup: count.zip(self.oom_before).map(|(now, before)| now.since(before)),
            system: system_oom_kills().unwrap_or_default().saturating_sub(before),
        }
    }

    /// Why the worker ended.
    pub(super) fn worker_exit(
        &self,
        status: ExitStatus,
        sent: Option<Signal>,
        oom: OomEvidence,
        stderr_tail: &str,
    ) -> WorkerExit {
        let evidence = Evidence {
            sent,
            cgroup: oom.cgroup,
            system_oom_kills: oom.system,
            limit: self.limit.as_ref(),
            stderr_tail,
        };
        WorkerExit::of(status, &evidence)
    }

    /// Why a worker ended before it ran any user code. With a memory limit, the likely cause is that the start needs
    /// more memory than that; every other cause is a failure of the platform.
    pub(super) fn never_started(&self, exit: WorkerExit) -> WorkerExit {
        let (kind, why, remedy) = match (&self.limit, exit.exit_code) {
            (Some(_), _) => (FailureKind::MemoryLimit, " with its memory limit", ""),
            // Its `main` did something else than that of a job binary.
            (None, Some(_)) => (FailureKind::Exited, "", BEFORE_MAIN),
            (None, None) => (FailureKind::Platform, "", ""),
        };
        let message = format!("the worker could not start{why}: {}{remedy}", exit.message);
        WorkerExit { kind, message, ..exit }
    }

    /// Removes the cgroup. One with a process that cannot be killed stays.
    pub(super) async fn release(self) {
        // The last reading is kept by those who have the meter.
        let _ = self.meter.read();
        if let Some(cgroup) = self.cgroup.and_then(Arc::into_inner) {
            let _ = cgroup.remove().await;
        }
    }
}
