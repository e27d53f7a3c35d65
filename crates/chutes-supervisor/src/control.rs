//! The control socket of a run, `control.sock` in its directory: whoever owns the run follows it, asks it to stop, gives
//! it more time or asks what it uses, whoever has started it.
//!
//! The socket is a convenience: the log of the run is the truth, and a run goes on in the same way without a socket and
//! whatever its clients do. A thread of its own serves it, so that clients take no time of the supervisor.

mod client;
mod connection;
pub mod protocol;
mod server;
mod socket;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use chutes_core::{FileKind, LogStream, RunEvent};
use tokio::sync::watch;

pub use self::client::{ControlClient, ControlError, Events, Output};
use self::protocol::State;
pub(crate) use self::server::ControlServer;
pub(crate) use self::socket::is_served;
use crate::access::KeyRing;
use crate::cancel::{CancelHandle, Urgency};
use crate::directory::RunRoot;
use crate::extension::Extension;
use crate::logs::index::{OutputIndex, OutputReader};
use crate::run_log::RunLog;
use crate::worker::UsageReader;

/// What can be asked of a run in progress.
#[derive(Clone)]
pub(crate) struct Controls {
    pub(crate) log: RunLog,
    pub(crate) cancel: CancelHandle,
    pub(crate) extension: Extension,
    pub(crate) parts: watch::Receiver<Parts>,
    /// The directory and the output of the run; `None` when the run is being recovered.
    pub(crate) output: Option<(Arc<RunRoot>, OutputIndex)>,
}

/// What is there while user code is.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    /// Reads what the run uses.
    pub(crate) usage: Option<UsageReader>,
    /// The keys of SSH clients.
    pub(crate) keys: Option<KeyRing>,
}

impl Controls {
    /// Asks the run to stop, and writes down on whose behalf, unless it was asked as urgently before.
    fn cancel(&self, urgency: Urgency, reason: Option<String>, by: Option<String>) {
        if urgency <= self.cancel.urgency() {
            return;
        }
        let words = match (&reason, &by) {
            (Some(reason), Some(by)) => Some(format!("{reason} (asked by {by})")),
            (Some(reason), None) => Some(reason.clone()),
            (None, Some(by)) => Some(format!("asked by {by}")),
            (None, None) => None,
        };
        self.log.emit(RunEvent::CancelRequested { urgency, reason, by });
        match words {
            Some(words) => self.cancel.ask_because(urgency, words),
            None => self.cancel.ask(urgency),
        }
    }

    /// Adds keys of SSH clients, or takes them away.
    fn change_keys(&self, texts: &[String], adds: bool) -> Result<(), String> {
        let Some(keys) = self.parts.borrow().keys.clone() else {
            return Err("the run has no SSH server: its job does not offer SSH, it has begun without a key, or user code has \
                        ended"
                .to_owned());
        };
        let changed = if adds { keys.add(texts) } else { keys.remove(texts) };
        let changed = changed.map_err(|error| error.to_string())?;
        let (added, removed) = if adds { (changed, Vec::new()) } else { (Vec::new(), changed) };
        if !(added.is_empty() && removed.is_empty()) {
            self.log.emit(RunEvent::SshKeys { added, removed });
        }
        Ok(())
    }

    /// Reads what the job prints to a stream, from an offset on.
    fn read(&self, stream: LogStream, from: u64) -> Result<OutputReader, String> {
        let Some((root, output)) = &self.output else {
            return Err(
                "the run is being recovered: what its job has printed is in its files only"
                    .to_owned(),
            );
        };
        let folder = root.folder(FileKind::Log);
        let folder = folder.map_err(|error| format!("its logs cannot be opened: {error}"))?;
        Ok(output.of(stream).read(folder, stream, from))
    }

    /// How things stand. A run that has no worker, or none that could be measured, has no usage.
    fn state(&self) -> State {
        let read = self.parts.borrow().usage.clone();
        State { progress: self.log.progress(), usage: read.and_then(|read| read()) }
    }
}
