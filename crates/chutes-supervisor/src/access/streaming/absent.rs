//! Replaces streaming in a program that was built without the feature.

use std::convert::Infallible;
use std::future::Ready;
use std::io;

use chutes_core::{AccessRequest, Failure, StreamingEndpoint, missing};
use chutes_ports::{Claims, Connector};

use super::invalid;
use crate::Supervisor;

/// Accepts all certificates: a run that wants to serve requests is refused later.
#[expect(clippy::unnecessary_wraps, reason = "the part that this stands for may fail")]
pub(crate) const fn check_certificate(_: &str) -> Result<(), String> {
    Ok(())
}

/// The plan of a front. No value of this type exists.
pub(super) struct Plan(Infallible);

/// The front of a run. No value of this type exists.
pub(super) struct Streaming(Infallible);

impl Plan {
    /// Refuses a run that wants to serve requests.
    pub(super) fn wanted(run: &Supervisor, _: &Claims) -> Result<Option<Self>, Failure> {
        match run.request.spec.streaming {
            Some(_) => Err(invalid(missing::part("streaming", "streaming"))),
            None => Ok(None),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the part that this stands for may fail")]
    pub(super) fn open(self, _: &AccessRequest, _: Connector) -> Result<Streaming, Failure> {
        Ok(Streaming(self.0))
    }
}

impl Streaming {
    pub(super) fn job_port(&self) -> u16 {
        match self.0 {}
    }

    pub(super) fn ready(&self) -> Ready<io::Result<()>> {
        match self.0 {}
    }

    pub(super) fn why_not_ready(&self) -> Option<String> {
        match self.0 {}
    }

    pub(super) fn serve(&mut self) -> StreamingEndpoint {
        match self.0 {}
    }

    pub(super) fn stop(self) -> Ready<()> {
        match self.0 {}
    }
}
